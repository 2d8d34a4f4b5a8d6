/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.c - one look-up per host name of a bind, however often it is written.
 */
#include "config/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "net/resolve.h"

/* What is known about a host name. */
struct answer {
    const char *host; /* borrowed from an endpoint */
    struct addr *addrs;
    size_t count;
    struct error error;
    UT_hash_handle hh;
};

struct lookup {
    struct answer *answers;
    struct diagnostics *diagnostics;
};

static struct answer *ask(struct lookup *lookup, const char *host)
{
    struct answer *answer;

    HASH_FIND_STR(lookup->answers, host, answer);
    if (answer != NULL)
        return answer;
    answer = calloc(1, sizeof(*answer));
    if (answer == NULL)
        return NULL;
    answer->host = host;
    if (!resolve_host(host, 0, &answer->addrs, &answer->count, &answer->error))
        answer->addrs = NULL;
    HASH_ADD_KEYPTR(hh, lookup->answers, answer->host, strlen(answer->host), answer);
    if (answer->hh.tbl == NULL) {
        free(answer->addrs);
        free(answer);
        return NULL;
    }
    return answer;
}

static void look_up(struct lookup *lookup, struct item *item)
{
    struct endpoint *endpoint = item->endpoint;

    if (endpoint == NULL || endpoint->kind != ENDPOINT_HOST || endpoint->addrs != NULL)
        return;
    struct answer *answer = ask(lookup, endpoint->host);
    if (answer == NULL) {
        (void)diagnostics_out_of_memory(lookup->diagnostics);
        return;
    }
    if (answer->addrs == NULL) {
        diagnostics_error(lookup->diagnostics, TOPIC_LOOKUP, &item->origin, "%s",
                          answer->error.text);
        return;
    }
    endpoint->addrs = calloc(answer->count, sizeof(*endpoint->addrs));
    if (endpoint->addrs == NULL) {
        (void)diagnostics_out_of_memory(lookup->diagnostics);
        return;
    }
    memcpy(endpoint->addrs, answer->addrs, answer->count * sizeof(*endpoint->addrs));
    endpoint->addr_count = answer->count;
    for (size_t i = 0; i < endpoint->addr_count; i++)
        endpoint->addrs[i].port = endpoint->port;
}

static void look_up_all(struct lookup *lookup, struct settings *settings, enum option_id option)
{
    struct section *section = settings_first(settings, option_table[option].section);

    for (; section != NULL; section = section_next(section)) {
        struct setting *setting = section_value(section, option);

        for (size_t i = 0; i < setting->count; i++)
            look_up(lookup, &setting->items[i]);
    }
}

void lookup_hosts(struct settings *settings, struct diagnostics *diagnostics)
{
    struct lookup lookup = {.diagnostics = diagnostics};
    struct answer *answer;
    struct answer *next;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (option_table[i].type == VALUE_ADDR && option_table[i].section != SECTION_DNS)
            look_up_all(&lookup, settings, (enum option_id)i);
    }
    HASH_ITER(hh, lookup.answers, answer, next)
    {
        HASH_DEL(lookup.answers, answer);
        free(answer->addrs);
        free(answer);
    }
}
