/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c - one machine of a pool.
 */
#include "pool/server.h"

#include <stddef.h>

#include "core/text.h"

const char *server_health_word(enum server_health health)
{
    switch (health) {
    case SERVER_UP:
        return "up";
    case SERVER_EJECTED:
        return "ejected";
    case SERVER_TRIAL:
        return "trial";
    case SERVER_DRAIN:
        return "drain";
    case SERVER_MAINT:
        return "maint";
    }
    return "";
}

const char *server_addr_text(const struct server *server, char *buffer)
{
    struct text text = text_over(buffer, ADDR_TEXT_BYTES);

    if (server->builtin == BUILTIN_NONE)
        return addr_text(&server->addr, buffer);
    text_append(&text, "builtin:");
    text_append(&text, builtin_word(server->builtin));
    return buffer;
}

bool server_has_address(const struct server *server)
{
    return server->addr.family != AF_UNSPEC || server->builtin != BUILTIN_NONE;
}

bool server_has_place(const struct server *server)
{
    return server->max_connections == 0 ||
           atomic_load_explicit(&server->active, memory_order_relaxed) < server->max_connections;
}

bool server_take_place(struct server *server)
{
    int active = atomic_load_explicit(&server->active, memory_order_relaxed);

    do {
        if (server->max_connections != 0 && active >= server->max_connections)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&server->active, &active, active + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}
