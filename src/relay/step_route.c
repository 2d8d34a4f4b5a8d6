/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_route.c - choosing the pool that serves this client.
 */
#include "relay/step.h"

enum step step_route_run(struct session *session)
{
    struct listener_config *listener = session->listener;
    /* CLIENT_HELLO has left it there a moment ago, if the listener looks at hellos at all. */
    const struct client_hello *hello = &session->resources->hello;
    struct route_client client = {.addr = &session->client};
    struct route_choice choice;

    if (listener->peeks_hello) {
        client.has_hello = true;
        client.sni = hello->name;
        client.alpn = hello->alpn;
        client.alpn_size = hello->alpn_size;
    }
    choice = router_choose(listener->router, &client);
    session->route = choice.route;
    if (choice.pool == NULL)
        return session_refuse(session, choice.route != NULL ? CLOSE_DENIED : CLOSE_NO_ROUTE,
                              listener->no_route);
    session->pool = choice.pool;
    session->tally = snapshot_tally(listener->snapshot, listener, choice.pool);
    return STEP_NEXT;
}
