/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_client_hello.c - what the client asks for, before anyone is contacted.
 *
 * The hello is looked at with MSG_PEEK and stays in the kernel, for OpenSSL or for the server. An
 * edge comes with each segment, so a hello that is not whole yet waits for the next one; where no
 * more can come, the client has left.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "net/postgres.h"
#include "relay/step.h"

static_assert(CLIENT_HELLO_RAW_BYTES <= BUFFER_READ_BYTES, "the scratch memory holds a hello");

static int64_t deadline_of(const struct session *session)
{
    return session->accepted_us / 1000 + session->listener->preread_timeout_ms;
}

/* More bytes are needed. */
static enum step wait_for_more(struct session *session, bool has_some)
{
    struct conn *conn = &session->conn[FRONTEND];

    /* Bytes that lie there hide an error from the next look. */
    if (has_some && conn_peek_error(conn))
        return session_client_left(session, ECONNRESET);
    if (conn->hup_in)
        return session_client_left(session, 0);
    return STEP_WAIT;
}

static enum step refuse(struct session *session, const char *detail)
{
    session->first = FIRST_CLIENT;
    session_keep_words(session, detail);
    return session_refuse(session, CLOSE_CLIENT_TLS, REFUSE_RESET);
}

/* starttls = postgres */

/* Takes the client's request and answers it with one byte; `after` is what comes then. Bytes behind
   the request cannot have been sent in knowledge of the answer: somebody has put them there. */
static enum step answer_request(struct session *session, char answer, enum step after)
{
    unsigned char request[POSTGRES_REQUEST_BYTES + 1];
    struct conn *conn = &session->conn[FRONTEND];

    conn->ready_in = false; /* that was all; what comes next has an edge of its own */
    if (recv(conn->fd, request, sizeof(request), 0) != POSTGRES_REQUEST_BYTES)
        return refuse(session, "bytes came behind the SSLRequest before its answer");
    if (conn->hup_in)
        return session_client_left(session, 0); /* its end was told already: no edge will come */
    if (send(conn->fd, &answer, 1, MSG_NOSIGNAL) != 1)
        return session_client_left(session, errno);
    return after;
}

static enum step refuse_clear_text(struct session *session)
{
    session->first = FIRST_CLIENT;
    session->close_reason = CLOSE_CLIENT_TLS;
    session_keep_words(session, "the client did not ask for TLS");
    session_dismiss(session, postgres_tls_required, postgres_tls_required_size);
    return STEP_OVER;
}

/* STEP_NEXT: what follows is TLS, or has already begun. */
static enum step read_opening(struct session *session, const unsigned char *bytes, size_t size)
{
    switch (postgres_opening_read(bytes, size)) {
    case POSTGRES_PARTIAL:
        return wait_for_more(session, size > 0);
    case POSTGRES_SSL_REQUEST:
        session->is_starttls = true;
        return answer_request(session, POSTGRES_YES,
                              session->listener->peeks_hello ? STEP_WAIT : STEP_NEXT);
    case POSTGRES_GSS_REQUEST:
        return answer_request(session, POSTGRES_NO, STEP_WAIT);
    case POSTGRES_TLS:
        return STEP_NEXT;
    case POSTGRES_OTHER:
        break;
    }
    return refuse_clear_text(session);
}

/* The hello */

static enum step keep_hello(struct session *session)
{
    const char *name = session->resources->hello.name;

    session->began_us = session_age_us(session);
    return session_keep_sni(session, name, strlen(name)) ? STEP_NEXT
                                                         : session_cut(session, CLOSE_NO_RESOURCES);
}

static enum step read_hello(struct session *session, const unsigned char *bytes, size_t size)
{
    struct client_hello *hello = &session->resources->hello;

    switch (client_hello_read(bytes, size, hello)) {
    case CLIENT_HELLO_WHOLE:
        return keep_hello(session);
    case CLIENT_HELLO_PARTIAL:
        return wait_for_more(session, size > 0);
    case CLIENT_HELLO_NOT_TLS:
    case CLIENT_HELLO_BROKEN:
    case CLIENT_HELLO_TOO_LARGE:
        break;
    }
    return refuse(session, hello->detail);
}

enum step step_client_hello_run(struct session *session)
{
    const struct listener_config *listener = session->listener;
    unsigned char *scratch = session->resources->scratch;
    bool has_opening = listener->starttls != STARTTLS_OFF && !session->is_starttls;
    ssize_t count;

    if (!listener->peeks_hello && !has_opening)
        return STEP_NEXT;
    if (listener->preread_timeout_ms > 0)
        session_arm(session, deadline_of(session));
    do
        count = recv(session->conn[FRONTEND].fd, scratch, CLIENT_HELLO_RAW_BYTES, MSG_PEEK);
    while (count == -1 && errno == EINTR);

    if (count == 0)
        return session_client_left(session, 0);
    if (count == -1) {
        if (errno != EAGAIN)
            return session_client_left(session, errno);
        return wait_for_more(session, false);
    }
    if (has_opening) {
        enum step step = read_opening(session, scratch, (size_t)count);

        session->began_us = session_age_us(session); /* until now the client was waited for */
        if (step != STEP_NEXT || session->is_starttls || !listener->peeks_hello)
            return step;
    }
    return read_hello(session, scratch, (size_t)count);
}

enum step step_client_hello_expire(struct session *session)
{
    if (clock_now_ms() < deadline_of(session)) {
        session_arm(session, deadline_of(session));
        return STEP_WAIT;
    }
    session->waited_for = FIRST_CLIENT;
    return session_cut(session, CLOSE_CLIENT_TIMEOUT);
}
