// Every codec that comes with Lido.
#pragma once

#include <lido/driver/codec.hpp>      // IWYU pragma: export
#include <lido/driver/codec_std.hpp>  // IWYU pragma: export
#include <lido/driver/json.hpp>       // IWYU pragma: export
#include <lido/driver/numeric.hpp>    // IWYU pragma: export
#include <lido/driver/oid.hpp>        // IWYU pragma: export
#include <lido/driver/timestamp.hpp>  // IWYU pragma: export
#include <lido/driver/uuid.hpp>       // IWYU pragma: export
