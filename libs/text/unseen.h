#pragma once

#include <string>
#include <string_view>

namespace switchyard::text {

// Characters beyond ASCII that nobody sees: C1 controls, zero-width and invisible ones, bidirectional overrides, tags.
// Not U+200C and U+200D: scripts and emoji need them, and they reorder nothing.
bool IsUnseen(char32_t character);

// Text of others without what nobody sees, for readers that a person's eye does not check, such as models: no control
// characters but newlines and tabs, nothing of IsUnseen, no variation selectors but the emoji one, joiners only one at
// a time. CRLF and CR become newlines, bytes that are no UTF-8 become U+FFFD. The result is valid UTF-8; doing it twice
// changes nothing more.
std::string StripUnseen(std::string_view text);

}  // namespace switchyard::text
