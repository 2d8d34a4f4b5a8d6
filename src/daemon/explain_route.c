/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_route.c - the decisions of a session's first steps, without a session.
 */
#include "daemon/explain_route.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "pool/hash_key.h"

/* What is asked, in the form in which sessions have it. */
struct question {
    const struct listener_config *listener;
    struct addr from;
    bool has_from;
    bool has_port;
    char sni[256];
    char alpn[256];
    size_t alpn_size;
};

/* ---- the client -------------------------------------------------------------------------------
 */

static bool find_listener(struct question *question, const struct snapshot *snapshot,
                          const char *name, FILE *complaints)
{
    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        const struct listener_config *listener = &snapshot->listeners[i];

        if (name == NULL ? snapshot->listener_count == 1 : strcmp(listener->name, name) == 0) {
            question->listener = listener;
            return true;
        }
    }
    if (name != NULL)
        fprintf(complaints, "culvert: there is no listener '%s'", name);
    else
        fprintf(complaints, "culvert: which listener? add --listen");
    for (unsigned i = 0; i < snapshot->listener_count; i++)
        fprintf(complaints, "%s %s", i == 0 ? "; there is:" : ",", snapshot->listeners[i].name);
    fputc('\n', complaints);
    return false;
}

/* "10.1.2.3", "10.1.2.3:5000", "2001:db8::1" or "[2001:db8::1]:5000" */
static bool read_from(struct question *question, const char *text, FILE *complaints)
{
    const char *colon = strrchr(text, ':');
    unsigned long port;
    char *end;

    if (text[0] == '\0')
        colon = NULL;
    question->has_from = true;
    if (addr_parse_ip(text, strlen(text), &question->from))
        return true;
    if (colon != NULL && colon[1] >= '0' && colon[1] <= '9' &&
        addr_parse_ip(text, (size_t)(colon - text), &question->from)) {
        port = strtoul(colon + 1, &end, 10);
        if (*end == '\0' && port <= UINT16_MAX) {
            question->from.port = (uint16_t)port;
            question->has_port = true;
            return true;
        }
    }
    fprintf(complaints, "culvert: --from wants an IP address, perhaps with a port, not '%s'\n",
            text);
    return false;
}

static bool read_names(struct question *question, const struct explain_client *client,
                       FILE *complaints)
{
    size_t length = client->alpn == NULL ? 0 : strlen(client->alpn);

    if (client->sni != NULL) {
        if (strlen(client->sni) >= sizeof(question->sni)) {
            fputs("culvert: --sni is too long for a name\n", complaints);
            return false;
        }
        text_fold_name(question->sni, client->sni, strlen(client->sni));
    }
    if (length >= sizeof(question->alpn)) {
        fputs("culvert: --alpn is too long for a protocol\n", complaints);
        return false;
    }
    if (length > 0) {
        question->alpn[0] = (char)length;
        memcpy(question->alpn + 1, client->alpn, length);
        question->alpn_size = length + 1;
    }
    return true;
}

static void print_client(const struct question *question, FILE *out)
{
    const struct listener_config *listener = question->listener;
    char text[ADDR_TEXT_BYTES];

    fprintf(out, "listener  %s\n", listener->name);
    if (!question->has_from) {
        fputs("client    any without an address (--from)\n", out);
    } else {
        addr_text(&question->from, text);
        if (!question->has_port)
            *strrchr(text, ':') = '\0';
        fprintf(out, "client    %s\n", text);
    }
    if (listener->peeks_hello)
        fprintf(out, "asks for  %s\n", question->sni[0] != '\0' ? question->sni : "no name");
    else if (question->sni[0] != '\0' || question->alpn_size > 0)
        fputs("asks for  what this listener does not look at before it has chosen\n", out);
}

/* ---- the route --------------------------------------------------------------------------------
 */

static const char *reason_of(const struct route_choice *choice)
{
    switch (choice->by) {
    case ROUTE_BY_NAME:
        return "the exact name";
    case ROUTE_BY_WILDCARD:
        return "a wildcard for the name";
    case ROUTE_BY_NO_NAME:
        return "no name is asked for";
    case ROUTE_BY_ANY_NAME:
        return "it takes any name, and no route for this name matches";
    case ROUTE_BY_FALLBACK:
        return "no route matches";
    }
    return "";
}

static void print_route(const struct route_choice *choice, FILE *out)
{
    const char *reason = reason_of(choice);

    if (choice->route != NULL)
        fprintf(out, "route     %s: %s\n", choice->route->name, reason);
    else if (choice->by != ROUTE_BY_FALLBACK)
        fprintf(out, "route     a line of the sni_map: %s\n", reason);
    else if (choice->pool != NULL)
        fprintf(out, "route     the listener's own pool: %s\n", reason);
    else
        fprintf(out, "route     none: %s, and the listener has no pool\n", reason);
    if (choice->pool == NULL)
        fprintf(out, "refused   %s\n", choice->route != NULL ? "denied" : "no_route");
}

/* ---- the servers ------------------------------------------------------------------------------
 */

static void print_server(unsigned number, const struct server *server, FILE *out)
{
    enum server_state state = server_state_of(server);
    char addr[ADDR_TEXT_BYTES];

    if (number > 0)
        fprintf(out, "  %3u  ", number);
    else
        fputs("    -  ", out);
    fprintf(out, "%-20s %s weight=%d", server->name, server_addr_text(server, addr),
            atomic_load_explicit(&server->weight, memory_order_relaxed));
    if (server->is_backup)
        fputs(" backup", out);
    if (server->priority != 0)
        fprintf(out, " priority=%d", server->priority);
    if (state == SERVER_STATE_MAINT || state == SERVER_STATE_DRAIN)
        fprintf(out, " (%s: passed over)", server_state_word(state));
    fputc('\n', out);
}

/* What decides of the client, if it is known. */
static bool hash_of(const struct question *question, enum hash_key key, uint64_t *hash,
                    const char **missing)
{
    const struct listener_config *listener = question->listener;
    struct hash_client client = {.source = &question->from,
                                 .destination = &listener->binds[0],
                                 .sni = question->sni[0] != '\0' ? question->sni : NULL};
    static const struct addr everywhere;
    bool is_named = key == HASH_SNI && client.sni != NULL;

    *missing = NULL;
    if (key == HASH_DESTINATION) {
        const struct addr *bind = client.destination;

        if (listener->bind_count > 1 || bind->port == 0 ||
            memcmp(&bind->v6, &everywhere.v6, bind->family == AF_INET ? 4 : 16) == 0)
            *missing = "it depends on the address that is dialled";
    } else if (!is_named && !question->has_from) {
        *missing = "give --from ADDRESS to see the order";
    } else if (key == HASH_SOURCE_PORT && !question->has_port) {
        *missing = "give --from ADDRESS:PORT to see the order";
    }
    *hash = hash_key_of(key, &client);
    return *missing == NULL;
}

/* Each server of the tier once, in the order of the key's list. */
static bool print_walk(const struct balance_tier *tier, uint64_t hash, unsigned *number, FILE *out)
{
    struct maglev_walk walk = maglev_walk_begin(&tier->maglev, hash);
    bool *seen = calloc(tier->count, sizeof(*seen));
    int index;

    if (seen == NULL)
        return false;
    while ((index = maglev_walk_next(&walk)) >= 0) {
        if (!seen[index])
            print_server(++*number, tier->servers[index], out);
        seen[index] = true;
    }
    free(seen);
    return true;
}

static const char *order_of(enum balance balance)
{
    switch (balance) {
    case BALANCE_LEASTCONN:
        return "the one with the fewest sessions for its weight";
    case BALANCE_ROUNDROBIN:
        return "in turn, each as often as its weight says";
    case BALANCE_RANDOM:
        return "the less loaded of two drawn by weight";
    case BALANCE_FIRST:
        return "the first of these that is usable";
    case BALANCE_MAGLEV:
        return "the first of these that is usable";
    }
    return "";
}

/* Whether there are servers that only the DNS knows. */
static bool has_names(const struct snapshot *snapshot, const struct pool *pool)
{
    for (unsigned i = 0; i < snapshot->source_count; i++) {
        if (snapshot->sources[i].pool == pool)
            return true;
    }
    return false;
}

static bool print_servers(const struct question *question, const struct pool *pool, FILE *out)
{
    const struct pool_members *members = atomic_load_explicit(&pool->members, memory_order_acquire);
    enum balance balance = pool->options.balance;
    const char *missing = NULL;
    bool is_ordered = balance == BALANCE_FIRST;
    bool is_hashed = false;
    unsigned number = 0;
    uint64_t hash = 0;

    fprintf(out, "pool      %s, %s", pool->name, balance_word(balance));
    if (balance == BALANCE_MAGLEV) {
        fprintf(out, " by %s", hash_key_word(pool->options.hash_key));
        is_hashed = hash_of(question, pool->options.hash_key, &hash, &missing);
    }
    fprintf(out, ": %s\n", missing != NULL ? missing : order_of(balance));
    for (unsigned i = 0; i < members->tier_count; i++) {
        const struct balance_tier *tier = &members->tiers[i];

        if (is_hashed) {
            if (!print_walk(tier, hash, &number, out))
                return false;
            continue;
        }
        for (unsigned k = 0; k < tier->count; k++)
            print_server(is_ordered ? ++number : 0, tier->servers[k], out);
    }
    if (has_names(question->listener->snapshot, pool))
        fputs("  names are looked up at run time: their addresses are servers, too, and have their "
              "own places in the order\n",
              out);
    return true;
}

bool explain_route(const struct explain_client *client, const struct snapshot *snapshot, FILE *out,
                   FILE *complaints)
{
    struct question question = {.from = {.family = AF_UNIX}};
    struct route_client known = {.addr = &question.from};
    struct route_choice choice;

    if (!find_listener(&question, snapshot, client->listener, complaints) ||
        (client->from != NULL && !read_from(&question, client->from, complaints)) ||
        !read_names(&question, client, complaints))
        return false;
    if (question.listener->peeks_hello) {
        known.has_hello = true;
        known.sni = question.sni;
        known.alpn = question.alpn;
        known.alpn_size = question.alpn_size;
    }
    print_client(&question, out);
    if (question.has_from && !listener_admits(question.listener, &question.from)) {
        fputs("refused   denied: 'allow' and 'deny' of the listener are against it\n", out);
        return true;
    }
    choice = router_choose(question.listener->router, &known);
    print_route(&choice, out);
    return choice.pool == NULL || print_servers(&question, choice.pool, out);
}
