/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend_open.c - a socket for each kind of server.
 */
#include "relay/backend_open.h"

#include <errno.h>

#include "net/builtin.h"
#include "net/socket.h"
#include "relay/session.h"

static int open_builtin(struct session *session, enum builtin_service service)
{
    int fd = builtin_connect(&session->resources->builtin, service);

    if (fd == -1)
        return errno;
    conn_open(&session->conn[BACKEND], fd, false);
    return 0;
}

static int open_socket(struct session *session)
{
    const struct server *server = session->server;
    int fd;

    if (server->builtin != BUILTIN_NONE)
        return open_builtin(session, server->builtin);
    fd = socket_open(&server->addr, &session->pool->options.socket);
    if (fd == -1)
        return errno;
    conn_open(&session->conn[BACKEND], fd, server->addr.family != AF_UNIX);
    return socket_connect(fd, &server->addr);
}

int backend_open(struct session *session)
{
    int error = open_socket(session);

    /* The client has its descriptor already: the slack serves where one more is wanting. */
    if ((error == EMFILE || error == ENFILE) && relay_give_up_slack(session->resources)) {
        conn_reset(&session->conn[BACKEND]);
        error = open_socket(session);
    }
    return error;
}
