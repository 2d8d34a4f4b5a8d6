/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_proxy.c - trust in PROXY headers must be said, not assumed.
 */
#include "config/validate_proxy.h"

#include <netinet/in.h>

#include "net/addr.h"
#include "net/proxy_header.h"
#include "config/endpoint.h"
#include "config/snapshot.h"

/* The place of the value that counts. */
static const struct origin *place(const struct settings *settings, const struct section *section,
                                  enum option_id option)
{
    const struct setting *setting = settings_get(settings, section, option);

    return setting->count > 0 && setting->is_set ? &setting->items[0].origin : &section->origin;
}

/* Addresses that only this machine, or a network of its own, can reach (RFC 1918, RFC 3927,
   RFC 4193, RFC 4291). */
static bool is_private(const struct addr *addr)
{
    static const struct {
        uint32_t network;
        unsigned bits;
    } networks[] = {
        {0x7f000000, 8}, {0x0a000000, 8}, {0xac100000, 12}, {0xc0a80000, 16}, {0xa9fe0000, 16},
    };

    if (addr->family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&addr->v6) || IN6_IS_ADDR_LINKLOCAL(&addr->v6) ||
               (addr->v6.s6_addr[0] & 0xfe) == 0xfc;
    for (size_t i = 0; addr->family == AF_INET && i < ARRAY_LENGTH(networks); i++) {
        if ((ntohl(addr->v4.s_addr) ^ networks[i].network) >> (32 - networks[i].bits) == 0)
            return true;
    }
    return addr->family == AF_UNIX;
}

static bool is_public_bind(const struct item *item)
{
    const struct endpoint *endpoint = item->endpoint;

    if (endpoint == NULL)
        return false;
    if (endpoint->kind != ENDPOINT_HOST)
        return !is_private(&endpoint->addr);
    for (size_t i = 0; i < endpoint->addr_count; i++) {
        if (!is_private(&endpoint->addrs[i]))
            return true;
    }
    return false;
}

static void check_listener(const struct settings *settings, const struct section *section,
                           struct diagnostics *diagnostics)
{
    enum accept_proxy accept =
        (enum accept_proxy)settings_word(settings, section, LISTEN_ACCEPT_PROXY);
    const struct setting *bind = section_value(section, LISTEN_BIND);
    bool has_trusted = settings_get(settings, section, LISTEN_TRUSTED_PROXIES)->count > 0;
    char where[SECTION_TEXT_BYTES];

    section_text(section, where, sizeof(where));
    if (accept == ACCEPT_PROXY_OPTIONAL && !has_trusted)
        diagnostics_error(diagnostics, TOPIC_PROXY, place(settings, section, LISTEN_ACCEPT_PROXY),
                          "%s has 'accept_proxy = optional' and needs 'trusted_proxies': without, "
                          "every client could name itself as it likes",
                          where);
    for (size_t i = 0; accept == ACCEPT_PROXY_REQUIRED && !has_trusted && i < bind->count; i++) {
        if (!is_public_bind(&bind->items[i]))
            continue;
        diagnostics_warning(diagnostics, TOPIC_PROXY, place(settings, section, LISTEN_ACCEPT_PROXY),
                            "%s believes the PROXY header of whoever can reach %s; "
                            "'trusted_proxies' says who may send one",
                            where, bind->items[i].text);
        break;
    }
    if (accept == ACCEPT_PROXY_OFF && section_value(section, LISTEN_TRUSTED_PROXIES)->count > 0)
        diagnostics_warning(diagnostics, TOPIC_UNUSED,
                            place(settings, section, LISTEN_TRUSTED_PROXIES),
                            "'trusted_proxies' has no effect without 'accept_proxy'");
}

static void check_pool(const struct settings *settings, const struct section *section,
                       struct diagnostics *diagnostics)
{
    bool is_v2 = settings_word(settings, section, POOL_SEND_PROXY) == SEND_PROXY_V2;

    if (!is_v2 && section_value(section, POOL_SEND_PROXY_TLVS)->count > 0)
        diagnostics_warning(diagnostics, TOPIC_UNUSED,
                            place(settings, section, POOL_SEND_PROXY_TLVS),
                            "'send_proxy_tlvs' has no effect without 'send_proxy = v2'");
}

void validate_proxy(const struct settings *settings, struct diagnostics *diagnostics)
{
    const struct section *section = settings_first(settings, SECTION_LISTEN);

    for (; section != NULL; section = section_next(section)) {
        if (settings_number(settings, section, LISTEN_ENABLED) != 0)
            check_listener(settings, section, diagnostics);
    }
    for (section = settings_first(settings, SECTION_POOL); section != NULL;
         section = section_next(section))
        check_pool(settings, section, diagnostics);
}
