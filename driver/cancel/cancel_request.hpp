// One CancelRequest on a connection of its own: same peer, same negotiation, same verification as the session it is for
// (contract I6), then the EOF that proves that the server has sent the signal ("The fence"). Its outcome goes to its
// owner and nowhere else (I1).
#pragma once

#include "driver/cancel/attempt.hpp"
#include "driver/transport/dialler.hpp"

#include <lido/driver/secret.hpp>

#include <asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>

namespace lido::cancel {

struct outcome {
  bool eof = false;  // clean end after a full write: under TLS close_notify, then FIN
  session::cancel_phase phase = session::cancel_phase::connect;  // else where it failed
  std::error_code error;
};

class cancel_request : public attempt, public std::enable_shared_from_this<cancel_request> {
 public:
  struct owner {  // both run on the executor, without locks, never after drop() or park() has returned; `ended` at most
                  // once
    std::function<bool()>
        may_write;  // asked once, right before the first byte of the CancelRequest; false: close quietly
    std::function<void(outcome)> ended;
  };

  static std::shared_ptr<cancel_request> start(asio::any_io_executor executor, transport::peer peer,
                                               std::uint32_t process_id, const secret& key, owner who);
  // drop() closes now. park() keeps the socket open and silent until EOF or 60 s; at most 64 are parked in the process,
  // then the oldest is closed (M3).
};

}  // namespace lido::cancel
