/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend_open.c - a socket for each kind of server, from the address that the pool asks for.
 */
#include "relay/backend_open.h"

#include <errno.h>

#include "core/clock.h"
#include "core/log.h"
#include "net/builtin.h"
#include "net/destination.h"
#include "net/own_connects.h"
#include "net/socket.h"
#include "net/source_address.h"
#include "relay/session.h"
#include "relay/step.h"

/* Source addresses tried for one connect. */
#define SOURCES_TRIED 3

/* ---- where to ----------------------------------------------------------------------------------
 */

static void log_loop(struct session *session, const struct addr *destination, const char *message)
{
    struct log_event event;
    char addr[ADDR_TEXT_BYTES];
    uint64_t suppressed;

    if (!log_limit_pass(&session->resources->loop_log, clock_now_ms(), &suppressed))
        return;
    log_event_begin(&event, LOG_WARN, "loop");
    log_event_string(&event, "listener", session->listener->name);
    log_event_string(&event, "pool", session->pool->name);
    log_event_string(&event, "destination", addr_text(destination, addr));
    log_event_string(&event, "message", message);
    log_event_integer(&event, "suppressed", (int64_t)suppressed);
    log_event_post(&event);
}

/* A descriptor is needed to find out: the slack serves where there is no other. */
static enum destination_place place_of(struct relay_resources *resources,
                                       const struct addr *destination)
{
    enum destination_place place =
        destination_place(destination, resources->listening, resources->listening_count);

    if (place == DESTINATION_UNKNOWN && relay_give_up_slack(resources))
        place = destination_place(destination, resources->listening, resources->listening_count);
    return place;
}

/* Whether a connect to the destination may be made: it would not come back here, and the client is
   no such connect. */
static bool may_connect(struct session *session, const struct addr *destination,
                        enum close_reason *reason)
{
    struct relay_resources *resources = session->resources;

    *reason = CLOSE_LOOP;
    if (resources->own_connects != NULL &&
        own_connects_has(resources->own_connects, session_client_socket(session), destination)) {
        log_loop(session, destination,
                 "a connection of culvert's own was redirected to it: let the rule pass over them");
        return false;
    }
    switch (place_of(resources, destination)) {
    case DESTINATION_ELSEWHERE:
        return true;
    case DESTINATION_HERE:
        log_loop(session, destination,
                 "the client dialled culvert itself: no rule has redirected it");
        return false;
    case DESTINATION_UNKNOWN:
        break;
    }
    *reason = CLOSE_NO_RESOURCES; /* better no connection than a loop */
    session->close_error = errno;
    return false;
}

bool backend_find_destination(struct session *session, enum close_reason *reason)
{
    struct session_words *words = session_words(session);

    if (words == NULL) {
        *reason = CLOSE_NO_RESOURCES;
        return false;
    }
    *reason = CLOSE_LOOP;
    return destination_find(session->conn[FRONTEND].fd, &words->destination) &&
           may_connect(session, &words->destination, reason);
}

/* The address that the server stands for. */
static const struct addr *address_of(const struct session *session)
{
    return session->server->is_original ? &session->words->destination : &session->server->addr;
}

/* Notes the connection, lest a rule lead it back here unnoticed. */
static void note_connect(struct session *session)
{
    struct session_words *words = session->words;
    struct own_connects *connects = session->resources->own_connects;

    if (!session->server->is_original || connects == NULL)
        return;
    backend_forget(session);
    if (socket_local_addr(session->conn[BACKEND].fd, &words->source))
        own_connects_note(connects, &words->source, &words->destination);
}

void backend_forget(struct session *session)
{
    struct session_words *words = session->words;

    if (words == NULL || words->source.family == AF_UNSPEC)
        return;
    own_connects_forget(session->resources->own_connects, &words->source, &words->destination);
    words->source.family = AF_UNSPEC;
}

/* ---- where from --------------------------------------------------------------------------------
 */

static void log_source(struct session *session, const struct addr *source, int error)
{
    struct log_event event;
    char addr[ADDR_TEXT_BYTES];
    char number[16];
    uint64_t suppressed;

    if (!log_limit_pass(&session->resources->source_log, clock_now_ms(), &suppressed))
        return;
    log_event_begin(&event, LOG_WARN, "source_failed");
    log_event_string(&event, "pool", session->pool->name);
    log_event_string(&event, "source", addr_text(source, addr));
    log_event_string(&event, "errno", errno_word(error, number, sizeof(number)));
    log_event_string(&event, "message",
                     error == EADDRNOTAVAIL  ? "no interface of this machine has the address"
                     : error == EPERM        ? "the right to connect from it is missing "
                                               "(CAP_NET_ADMIN)"
                     : error == EAFNOSUPPORT ? "the server's address is of another family"
                                             : "the address cannot be connected from");
    log_event_integer(&event, "suppressed", (int64_t)suppressed);
    log_event_post(&event);
}

/* The source is at fault, not the server. */
static int source_failed(struct session *session, const struct addr *source, int error,
                         enum close_reason *reason)
{
    log_source(session, source, error);
    *reason = CLOSE_SOURCE_FAILED;
    return error;
}

/* `source` NULL: the kernel chooses. */
static int connect_from(struct session *session, const struct addr *source,
                        enum close_reason *reason)
{
    const struct addr *to = address_of(session);
    struct conn *conn = &session->conn[BACKEND];
    int fd = socket_open(to, &session->pool->options.socket);
    int error;

    if (fd == -1)
        return errno;
    conn_open(conn, fd, to->family != AF_UNIX);
    if (source != NULL) {
        error =
            session->pool->options.is_transparent ? source_address_allow_any(fd, to->family) : 0;
        if (error == 0)
            error = source_address_bind(fd, source);
        if (error != 0)
            return source_failed(session, source, error, reason);
    }
    error = socket_connect(fd, to);
    /* As from a loopback address to another machine. */
    if (error == EINVAL && source != NULL)
        return source_failed(session, source, error, reason);
    if (error == 0 || error == EINPROGRESS)
        note_connect(session);
    return error;
}

/* The client's own address: of the server's family, or the session cannot be. */
static int connect_from_client(struct session *session, enum close_reason *reason)
{
    const struct addr *client = &session->client;

    if (client->family != address_of(session)->family)
        return source_failed(session, client, EAFNOSUPPORT, reason);
    return connect_from(session, client, reason);
}

/* Sessions take the addresses of the server's family in turn. One without a free port, or that is
   not there, makes room for the next. */
static int connect_from_pool(struct session *session, const struct addr *sources, unsigned count,
                             enum close_reason *reason)
{
    bool is_exhausted = false;
    int error = 0;

    for (unsigned i = 0; i < count && i < SOURCES_TRIED; i++) {
        if (i > 0)
            conn_reset(&session->conn[BACKEND]);
        *reason = CLOSE_PORTS_EXHAUSTED;
        error = connect_from(session, &sources[(session->id + i) % count], reason);
        if (error != EADDRNOTAVAIL && *reason != CLOSE_SOURCE_FAILED)
            break;
        is_exhausted |= *reason == CLOSE_PORTS_EXHAUSTED;
    }
    if (is_exhausted && *reason == CLOSE_SOURCE_FAILED) {
        *reason = CLOSE_PORTS_EXHAUSTED; /* of those that are there */
        error = EADDRNOTAVAIL;
    }
    return error;
}

static int open_builtin(struct session *session, enum builtin_service service)
{
    int fd = builtin_connect(&session->resources->builtin, service);

    if (fd == -1)
        return errno;
    conn_open(&session->conn[BACKEND], fd, false);
    return 0;
}

static int open_socket(struct session *session, enum close_reason *reason)
{
    const struct pool_options *options = &session->pool->options;
    const struct addr *sources;
    unsigned count;
    int family;

    if (session->server->builtin != BUILTIN_NONE)
        return open_builtin(session, session->server->builtin);
    family = address_of(session)->family;
    if (options->is_transparent && family != AF_UNIX)
        return connect_from_client(session, reason);
    count = pool_sources(options, family, &sources);
    if (count > 0)
        return connect_from_pool(session, sources, count, reason);
    return connect_from(session, NULL, reason);
}

int backend_open(struct session *session, enum close_reason *reason)
{
    int error;

    *reason = CLOSE_INTERNAL;
    error = open_socket(session, reason);
    /* The client has its descriptor already: the slack serves where one more is wanting. */
    if ((error == EMFILE || error == ENFILE) && relay_give_up_slack(session->resources)) {
        conn_reset(&session->conn[BACKEND]);
        error = open_socket(session, reason);
    }
    if (*reason != CLOSE_SOURCE_FAILED)
        *reason = close_reason_from_connect_error(error);
    return error;
}
