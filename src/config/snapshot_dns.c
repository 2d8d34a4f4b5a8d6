/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_dns.c - [dns] checked, and as discovery takes it.
 */
#include "config/snapshot_dns.h"

#include <string.h>

#include "core/text.h"
#include "config/snapshot_value.h"

/* Room for one address and the comma behind it. */
#define SERVER_BYTES (ADDR_TEXT_BYTES + 1)

/* "10.0.0.53:53,[fd00::53]:53"; NULL for `auto`. False without memory. */
static bool fill_servers(const struct setting *servers, const char **text_of_servers)
{
    char memory[64 * SERVER_BYTES];
    struct text text = text_over(memory, sizeof(memory));
    char *copy = NULL;

    for (size_t i = 0; i < servers->count; i++) {
        const struct endpoint *endpoint = servers->items[i].endpoint;

        if (endpoint == NULL)
            return true; /* auto */
        if (i > 0)
            text_append(&text, ",");
        addr_format(&endpoint->addr, &text);
    }
    if (!snapshot_copy(&copy, memory))
        return false;
    *text_of_servers = copy;
    return true;
}

bool snapshot_dns_fill(const struct settings *settings, struct dns_options *dns)
{
    static const enum dns_prefer words[] = {DNS_PREFER_ANY, DNS_PREFER_IPV4, DNS_PREFER_IPV6};
    const struct section *section = settings_first(settings, SECTION_DNS);

    dns->resolver.timeout_ms = settings_ms(settings, section, DNS_TIMEOUT);
    dns->resolver.attempts = (int)settings_number(settings, section, DNS_ATTEMPTS);
    dns->resolver.search = settings_number(settings, section, DNS_SEARCH) != 0;
    dns->rules = (struct ask_rules){
        .min_ttl_ms = settings_ms(settings, section, DNS_MIN_TTL),
        .max_ttl_ms = settings_ms(settings, section, DNS_MAX_TTL),
        .failure_retry_ms = settings_ms(settings, section, DNS_FAILURE_RETRY),
        .stale_ms = settings_ms(settings, section, DNS_STALE),
    };
    dns->prefer = words[settings_word(settings, section, DNS_PREFER)];
    return fill_servers(settings_get(settings, section, DNS_SERVERS), &dns->resolver.servers);
}

/* Most servers that can be named: see fill_servers(). */
#define DNS_SERVERS_MAX 64

static bool is_every_address(const struct addr *addr)
{
    return (addr->family == AF_INET && addr->v4.s_addr == htonl(INADDR_ANY)) ||
           (addr->family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr->v6));
}

static void check_server(const struct item *item, size_t count, struct diagnostics *diagnostics)
{
    const struct endpoint *endpoint = item->endpoint;

    if (endpoint == NULL) {
        if (count > 1)
            diagnostics_error(diagnostics, TOPIC_VALUE, &item->origin,
                              "'auto' cannot stand beside an address");
    } else if (endpoint->kind != ENDPOINT_IP || endpoint->addr.port == 0 ||
               is_every_address(&endpoint->addr)) {
        diagnostics_error(diagnostics, TOPIC_VALUE, &item->origin,
                          "'%s' is no DNS server: write its IP address and port, as 10.0.0.53:53",
                          item->text);
    }
}

/* Off would be no pause at all: question upon question. */
static void check_time(const struct settings *settings, const struct section *section,
                       enum option_id option, struct diagnostics *diagnostics)
{
    const struct setting *setting = section_value(section, option);

    if (setting->count > 0 && settings_ms(settings, section, option) == 0)
        diagnostics_error(diagnostics, TOPIC_VALUE, &setting->items[0].origin, "'%s' cannot be off",
                          option_table[option].key);
}

void validate_dns(const struct settings *settings, struct diagnostics *diagnostics)
{
    const struct section *section = settings_first(settings, SECTION_DNS);
    const struct setting *servers = settings_get(settings, section, DNS_SERVERS);
    static const enum option_id times[] = {DNS_TIMEOUT, DNS_MIN_TTL, DNS_MAX_TTL,
                                           DNS_FAILURE_RETRY};
    enum option_id bound;

    if (section == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(times); i++)
        check_time(settings, section, times[i], diagnostics);
    bound = section_value(section, DNS_MIN_TTL)->count > 0 ? DNS_MIN_TTL : DNS_MAX_TTL;
    for (size_t i = 0; i < servers->count; i++)
        check_server(&servers->items[i], servers->count, diagnostics);
    if (servers->count > DNS_SERVERS_MAX)
        diagnostics_error(diagnostics, TOPIC_VALUE, &servers->origin,
                          "these are %zu DNS servers; the most is %d", servers->count,
                          DNS_SERVERS_MAX);
    if (settings_ms(settings, section, DNS_MIN_TTL) > settings_ms(settings, section, DNS_MAX_TTL))
        diagnostics_error(diagnostics, TOPIC_VALUE, &section_value(section, bound)->origin,
                          "min_ttl is greater than max_ttl");
}
