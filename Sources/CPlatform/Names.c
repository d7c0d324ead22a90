#define _GNU_SOURCE
#include "CPlatform.h"

#include <string.h>

#if defined(__linux__) || defined(__APPLE__)
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>

size_t cplatform_text_records(const char *name, uint8_t *answer, size_t capacity)
{
    struct __res_state state;
    memset(&state, 0, sizeof state);
    if (res_ninit(&state) != 0) return 0;
    int length = res_nquery(&state, name, 1, 16, answer, capacity > 65535 ? 65535 : (int)capacity);
    res_nclose(&state);
    return length <= 0 || (size_t)length > capacity ? 0 : (size_t)length;
}
#else
size_t cplatform_text_records(const char *name, uint8_t *answer, size_t capacity)
{
    (void)name, (void)answer, (void)capacity;
    return 0;
}
#endif
