/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_proxy_header.c - the PROXY header in front of what the client sends (accept_proxy).
 *
 * It is looked at and then taken from the socket to its last byte and no further: what follows,
 * TLS or not, is where it would be without a header. Whoever may not send one is never believed,
 * and a header of theirs never reaches a server.
 */
#include <errno.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/fault.h"
#include "net/proxy_guard.h"
#include "net/proxy_header.h"
#include "relay/preread.h"
#include "relay/source_table.h"
#include "relay/step.h"

static_assert(PROXY_HEADER_MAX <= BUFFER_READ_BYTES, "the scratch memory holds a header");

/* A unix socket's mode has chosen who may connect. */
static bool may_send_header(const struct session *session)
{
    const struct listener_config *listener = session->listener;

    if (listener->trusted_proxies == NULL || session->client.family == AF_UNIX ||
        fault_is(FAULT_PROXY_TRUST_ANYBODY))
        return true;
    return address_list_contains(listener->trusted_proxies, &session->client);
}

static enum step refuse(struct session *session, const char *fault)
{
    session->first = FIRST_CLIENT;
    session_keep_proxy_error(session, fault);
    return session_refuse(session, CLOSE_BAD_PROXY_HEADER, REFUSE_RESET);
}

static enum step go_on(struct session *session)
{
    session->began_us = session_age_us(session); /* until now the client was waited for */
    return STEP_NEXT;
}

/* Rules and limits are about the client, too: the proxy was let in when it was accepted. A
   connection of the proxy's is not dropped without a word. */
static enum step let_in(struct session *session)
{
    const struct listener_config *listener = session->listener;

    if (!listener_admits(listener, &session->client))
        return session_refuse(session, CLOSE_DENIED,
                              listener->deny_action == DENY_CLOSE ? REFUSE_CLOSE : REFUSE_RESET);
    if (source_table_enter(session->resources->sources, listener, &session->client,
                           clock_now_us() * 1000) != SOURCE_ADMITTED)
        return session_refuse(session, CLOSE_LIMIT, REFUSE_RESET);
    session->words->claim->holds_place = true;
    return go_on(session);
}

static enum step take(struct session *session, const struct proxy_header *header)
{
    ssize_t count;

    do
        count = recv(session->conn[FRONTEND].fd, session->resources->scratch, header->length, 0);
    while (count == -1 && errno == EINTR);
    if (count != (ssize_t)header->length)
        return session_client_left(session, count == -1 ? errno : 0);
    if (!session_believe(session, header))
        return session_cut(session, CLOSE_NO_RESOURCES);
    return header->has_addresses ? let_in(session) : go_on(session);
}

static enum step read_header(struct session *session)
{
    bool is_optional = session->listener->accept_proxy == ACCEPT_PROXY_OPTIONAL;
    const unsigned char *bytes = session->resources->scratch;
    struct proxy_header header;
    size_t count;
    enum step step = preread_look(session, PROXY_HEADER_MAX, &count);

    if (step != STEP_NEXT)
        return step;
    switch (proxy_header_read(bytes, count, &header)) {
    case PROXY_PARTIAL:
        /* All that the client sends, and no signature. */
        if (is_optional && session->conn[FRONTEND].hup_in &&
            proxy_signature_read(bytes, count) == PROXY_PARTIAL)
            return go_on(session);
        return preread_wait(session);
    case PROXY_WHOLE:
        return take(session, &header);
    case PROXY_ABSENT:
        if (is_optional)
            return go_on(session);
        break;
    case PROXY_INVALID:
        break;
    }
    return refuse(session, header.fault);
}

/* Whether the server hears nothing before the client has spoken. */
static bool client_speaks_first(const struct listener_config *listener)
{
    return listener->peeks_hello || listener->terminates_tls || listener->starttls != STARTTLS_OFF;
}

/* The client may not send a header, and need not: it is relayed, but for a header. */
static enum step look_at_stranger(struct session *session)
{
    struct conn *conn = &session->conn[FRONTEND];
    bool waits = client_speaks_first(session->listener);
    enum proxy_verdict verdict = PROXY_PARTIAL;
    unsigned char first[PROXY_SIGNATURE_MAX];
    ssize_t count;

    if (waits) {
        size_t found;
        enum step step = preread_look(session, sizeof(first), &found);

        if (step != STEP_NEXT)
            return step;
        verdict = proxy_signature_read(session->resources->scratch, found);
    } else {
        do
            count = recv(conn->fd, first, sizeof(first), MSG_PEEK);
        while (count == -1 && errno == EINTR);
        if (count == -1 && errno != EAGAIN)
            return session_client_left(session, errno); /* no read would meet it again */
        if (count > 0)
            verdict = proxy_signature_read(first, (size_t)count);
    }
    switch (verdict) {
    case PROXY_WHOLE:
        return refuse(session, "not from a trusted address");
    case PROXY_PARTIAL:
        if (waits)
            return preread_wait(session);
        proxy_guard_start(conn); /* a server that speaks first is not kept waiting */
        break;
    case PROXY_ABSENT:
    case PROXY_INVALID: /* of headers only */
        break;
    }
    return go_on(session);
}

enum step step_proxy_header_run(struct session *session)
{
    switch (session->listener->accept_proxy) {
    case ACCEPT_PROXY_OFF:
        break;
    case ACCEPT_PROXY_REQUIRED:
        if (!may_send_header(session))
            return refuse(session, "not from a trusted address");
        return read_header(session);
    case ACCEPT_PROXY_OPTIONAL:
        return may_send_header(session) ? read_header(session) : look_at_stranger(session);
    }
    return STEP_NEXT;
}
