# cmake -DIN=pools.html -DOUT=pools_html.cpp -P embed.cmake: the page as a string in the library. In pieces, because the standard promises no longer
# literals than 64 KiB.
file(READ ${IN} text)
string(LENGTH "${text}" length)
set(pieces "")
set(at 0)
while(at LESS length)
  string(SUBSTRING "${text}" ${at} 8000 piece)
  string(APPEND pieces "R\"~lido~(${piece})~lido~\"\n")
  math(EXPR at "${at} + 8000")
endwhile()
file(WRITE ${OUT} "// Generated from pools.html.
#include <string_view>

namespace lido::inline v0::metrics {
extern const std::string_view pools_html;
const std::string_view pools_html =
${pieces};
}  // namespace lido::inline v0::metrics
")
