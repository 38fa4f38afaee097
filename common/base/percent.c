#include "base/percent.h"

bool percent_decode(Str text, Plus plus, char *out, size_t *ret_len)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '+' && plus == PLUS_IS_SPACE) {
            c = ' ';
        } else if (c == '%') {
            int high = text.len - i > 2 ? ascii_hex_digit(text.ptr[i + 1]) : -1;
            int low = text.len - i > 2 ? ascii_hex_digit(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        out[len++] = c;
    }
    *ret_len = len;
    return true;
}
