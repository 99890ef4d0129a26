// Every codec that comes with Lido. Includes much: a source that needs a few of them names those.
#pragma once

#include <lido/driver/codec.hpp>              // IWYU pragma: export
#include <lido/driver/codec_std.hpp>          // IWYU pragma: export
#include <lido/driver/json.hpp>               // IWYU pragma: export
#include <lido/driver/numeric.hpp>            // IWYU pragma: export
#include <lido/driver/oid.hpp>                // IWYU pragma: export
#include <lido/driver/timestamp.hpp>          // IWYU pragma: export
#include <lido/driver/types/array.hpp>        // IWYU pragma: export
#include <lido/driver/types/bits.hpp>         // IWYU pragma: export
#include <lido/driver/types/composite.hpp>    // IWYU pragma: export
#include <lido/driver/types/geometry.hpp>     // IWYU pragma: export
#include <lido/driver/types/hstore.hpp>       // IWYU pragma: export
#include <lido/driver/types/identifiers.hpp>  // IWYU pragma: export
#include <lido/driver/types/network.hpp>      // IWYU pragma: export
#include <lido/driver/types/pgvector.hpp>     // IWYU pragma: export
#include <lido/driver/types/range.hpp>        // IWYU pragma: export
#include <lido/driver/types/text_types.hpp>   // IWYU pragma: export
#include <lido/driver/types/time.hpp>         // IWYU pragma: export
#include <lido/driver/types/user_type.hpp>    // IWYU pragma: export
#include <lido/driver/uuid.hpp>               // IWYU pragma: export
