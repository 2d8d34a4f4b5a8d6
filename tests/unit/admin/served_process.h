/* SPDX-License-Identifier: Apache-2.0 */
/*
 * served_process.h - a fake process whose API is served by a thread: on a control socket, on a TCP
 * address for people, and on one for scrapes.
 */
#ifndef CULVERT_TESTS_ADMIN_SERVED_PROCESS_H
#define CULVERT_TESTS_ADMIN_SERVED_PROCESS_H

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"
#include "net/addr.h"
#include "net/socket.h"
#include "admin/fake_process.h"
#include "admin/http_api.h"

struct served_process {
    struct fake_process process;
    char folder[64];
    char socket_path[96];
    struct addr socket_addr;
    struct addr admin_addr;
    struct addr metrics_addr;
    struct event_base *base;
    struct http_api *api;
    struct event *stop_event;
    int stop_fd;
    pthread_t thread;
};

/* A port nobody uses now. Another process may take it meanwhile; then served_start() takes
   another. */
static inline struct addr served_free_address(void)
{
    struct addr addr = {.family = AF_INET};
    struct sockaddr_storage storage;
    socklen_t length;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    addr.v4.s_addr = htonl(INADDR_LOOPBACK);
    length = addr_to_sockaddr(&addr, &storage);
    if (fd == -1 || bind(fd, (struct sockaddr *)&storage, length) == -1 ||
        !socket_local_addr(fd, &addr))
        abort();
    close(fd);
    return addr;
}

static void served_on_stop(evutil_socket_t fd, short events, void *argument)
{
    (void)fd;
    (void)events;
    event_base_loopbreak(argument);
}

static void *served_run(void *argument)
{
    struct served_process *served = argument;

    event_base_dispatch(served->base);
    return NULL;
}

/* Makes the folder and the addresses; the caller may add sessions before served_start(). */
static inline void served_init(struct served_process *served)
{
    struct process_config *config = &served->process.snapshot.process;

    memset(served, 0, sizeof(*served));
    signal(SIGPIPE, SIG_IGN);
    fake_process_init(&served->process);
    snprintf(served->folder, sizeof(served->folder), "/tmp/culvert-test-XXXXXX");
    if (mkdtemp(served->folder) == NULL)
        abort();
    snprintf(served->socket_path, sizeof(served->socket_path), "%s/control.sock", served->folder);
    served->socket_addr = (struct addr){.family = AF_UNIX, .path = served->socket_path};
    served->admin_addr = served_free_address();
    served->metrics_addr = served_free_address();
    config->admin_socket = served->socket_path;
    config->admin_binds = &served->admin_addr;
    config->admin_bind_count = 1;
    config->metrics_binds = &served->metrics_addr;
    config->metrics_bind_count = 1;
}

static inline void served_start(struct served_process *served)
{
    struct error error = {.text = ""};

    fake_process_start(&served->process);
    served->base = event_base_new();
    served->api = http_api_open(served->base, &served->process.view, &error);
    for (int tries = 0; served->api == NULL && tries < 20; tries++) {
        served->admin_addr = served_free_address();
        served->metrics_addr = served_free_address();
        served->api = http_api_open(served->base, &served->process.view, &error);
    }
    if (served->api == NULL) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    served->stop_fd = eventfd(0, EFD_CLOEXEC);
    served->stop_event =
        event_new(served->base, served->stop_fd, EV_READ, served_on_stop, served->base);
    if (served->stop_event == NULL || event_add(served->stop_event, NULL) == -1 ||
        pthread_create(&served->thread, NULL, served_run, served) != 0)
        abort();
}

static inline void served_end(struct served_process *served)
{
    uint64_t one = 1;

    if (write(served->stop_fd, &one, sizeof(one)) != sizeof(one))
        abort();
    pthread_join(served->thread, NULL);
    http_api_close(served->api);
    event_free(served->stop_event);
    close(served->stop_fd);
    event_base_free(served->base);
    fake_process_end(&served->process);
    rmdir(served->folder);
}

#endif
