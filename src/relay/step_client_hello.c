/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_client_hello.c - what the client asks for, before anyone is contacted.
 *
 * The hello stays in the kernel, for OpenSSL or for the server.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/postgres.h"
#include "relay/preread.h"
#include "relay/step.h"

static_assert(CLIENT_HELLO_RAW_BYTES <= BUFFER_READ_BYTES, "the scratch memory holds a hello");

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
        return preread_wait(session);
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
        return preread_wait(session);
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
    enum step step;
    size_t count;

    if (!listener->peeks_hello && !has_opening)
        return STEP_NEXT;
    step = preread_look(session, CLIENT_HELLO_RAW_BYTES, &count);
    if (step != STEP_NEXT)
        return step;
    if (has_opening) {
        step = read_opening(session, scratch, count);
        session->began_us = session_age_us(session); /* until now the client was waited for */
        if (step != STEP_NEXT || session->is_starttls || !listener->peeks_hello)
            return step;
    }
    return read_hello(session, scratch, count);
}
