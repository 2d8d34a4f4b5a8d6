/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.c - one datagram to $NOTIFY_SOCKET.
 */
#include "daemon/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_send(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t length = path != NULL ? strlen(path) : 0;
    ssize_t sent;
    int fd;

    if (length == 0 || length >= sizeof(addr.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return;
    memcpy(addr.sun_path, path, length);
    if (path[0] == '@') /* the abstract namespace */
        addr.sun_path[0] = '\0';
    sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    (void)sent; /* a manager that does not listen is its own affair */
    close(fd);
}
