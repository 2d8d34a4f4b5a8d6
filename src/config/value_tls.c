/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_tls.c - names, protocols and patterns.
 */
#include "config/value_tls.h"

#include <stddef.h>
#include <string.h>

#include "core/base.h"
#include "net/addr.h"
#include "route/sni_table.h"

/* Whether the word is the literal of an IP address. */
static bool is_address(const char *word)
{
    struct addr addr;

    return word[0] != '[' && addr_parse_ip(word, strlen(word), &addr);
}

static bool is_ascii(const char *word)
{
    for (; *word != '\0'; word++) {
        if ((unsigned char)*word >= 0x80)
            return false;
    }
    return true;
}

const char *value_sni_fault(const char *word)
{
    if (is_address(word))
        return "clients never ask for an address, only for names";
    if (!is_ascii(word))
        return "a name is sent in ASCII; write it as xn--...";
    return sni_pattern_fault(word);
}

const char *value_name_fault(const char *word)
{
    if (is_address(word))
        return NULL;
    if (strcmp(word, "-") == 0 || strchr(word, '*') != NULL)
        return "this is no host name";
    return value_sni_fault(word);
}

const char *value_alpn_fault(const char *word)
{
    size_t length = strlen(word);

    return length >= 1 && length <= 255 ? NULL : "a protocol has 1 to 255 bytes";
}

const char *value_san_fault(const char *word)
{
    static const char *const kinds[] = {"dns:", "uri:", "cn:"};

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        size_t length = strlen(kinds[i]);

        if (strncmp(word, kinds[i], length) == 0)
            return word[length] != '\0' ? NULL : "a name is missing behind the colon";
    }
    if (strncmp(word, "ip:", 3) == 0)
        return is_address(word + 3) ? NULL : "this is no address";
    return "write dns:NAME, uri:URI, ip:ADDRESS or cn:NAME";
}
