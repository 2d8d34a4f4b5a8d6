/* SPDX-License-Identifier: Apache-2.0 */
/* test_http_api.c - doors, permissions, limits and hostile requests, over real sockets. */
#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/load.h"
#include "admin/connection_gate.h"
#include "admin/http_client.h"
#include "admin/http_api.h"
#include "admin/served_process.h"

#define EVERY_DOOR 3

static _Atomic int64_t ahead_ms; /* how far clock_now_ms() is ahead of the time of day */
int64_t __real_clock_now_ms(void);
int64_t __wrap_clock_now_ms(void);

int64_t __wrap_clock_now_ms(void)
{
    return __real_clock_now_ms() + ahead_ms;
}

static struct addr *door(struct served_process *served, int number)
{
    struct addr *doors[EVERY_DOOR] = {&served->socket_addr, &served->admin_addr,
                                      &served->metrics_addr};

    return doors[number];
}

static int status_of(const struct addr *addr, const char *method, const char *path)
{
    struct http_answer answer;
    struct error error = {.text = ""};
    int status;

    if (http_call(addr, method, path, NULL, &answer, &error) != HTTP_ANSWERED)
        fail_msg("%s %s: %s", method, path, error.text);
    status = answer.status;
    http_answer_release(&answer);
    return status;
}

/* ---- raw clients -------------------------------------------------------------------------- */

static int connect_to(const struct addr *addr)
{
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(addr, &storage);
    int fd = socket(addr->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&storage, length), 0);
    return fd;
}

/* Sends what fits without waiting for long, then reads to the end; `*text` has at most `size` - 1
   bytes. Returns how long the other side took to end, or -1 after 20 s. */
static int64_t exchange(const struct addr *addr, const char *request, size_t request_length,
                        char *text, size_t size)
{
    int fd = connect_to(addr);
    int64_t started_ms = clock_now_ms();
    size_t length = 0;
    size_t sent = 0;

    while (clock_now_ms() - started_ms < 20000) {
        struct pollfd poll_fd = {.fd = fd,
                                 .events = sent < request_length ? POLLIN | POLLOUT : POLLIN};
        char rest[4096];
        ssize_t got;

        if (poll(&poll_fd, 1, 1000) <= 0)
            continue;
        if ((poll_fd.revents & POLLOUT) != 0 && sent < request_length) {
            ssize_t more =
                send(fd, request + sent, request_length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

            sent = more > 0 ? sent + (size_t)more : request_length;
        }
        if ((poll_fd.revents & (POLLIN | POLLHUP | POLLERR)) == 0)
            continue;
        got = recv(fd, rest, sizeof(rest), MSG_DONTWAIT);
        if (got == -1 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0) {
            close(fd);
            text[length] = '\0';
            return clock_now_ms() - started_ms;
        }
        for (ssize_t i = 0; i < got && length + 1 < size; i++)
            text[length++] = rest[i];
    }
    close(fd);
    text[length] = '\0';
    return -1;
}

static int raw_status(const struct addr *addr, const char *request)
{
    char text[4096];

    assert_true(exchange(addr, request, strlen(request), text, sizeof(text)) >= 0);
    return strncmp(text, "HTTP/1.", 7) == 0 ? atoi(text + 9) : 0;
}

/* ---- permissions -------------------------------------------------------------------------- */

/* Every path, method and door: 200 done, 403 not here, 404 unknown here, 405 not this method. */
static void test_each_door_allows_what_it_should(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        int statuses[EVERY_DOOR]; /* control socket, admin, metrics */
    } cases[] = {
        {"GET", "/healthz", {200, 200, 200}},
        {"GET", "/readyz", {200, 200, 200}},
        {"GET", "/metrics", {200, 200, 200}},
        {"GET", "/", {200, 200, 404}},
        {"GET", "/api/v1/overview", {200, 200, 404}},
        {"GET", "/api/v1/listeners", {200, 200, 404}},
        {"GET", "/api/v1/pools", {200, 200, 404}},
        {"GET", "/api/v1/version", {200, 200, 404}},
        {"GET", "/api/v1/sessions", {200, 200, 404}},
        {"GET", "/api/v1/sessions?limit=1", {200, 200, 404}},
        {"GET", "/api/v1/sessions/ID", {200, 200, 404}},
        {"DELETE", "/api/v1/sessions/ID", {200, 403, 404}},
        {"POST", "/api/v1/sessions/ID", {405, 405, 404}},
        {"POST", "/metrics", {405, 405, 405}},
        {"DELETE", "/readyz", {405, 405, 405}},
        {"DELETE", "/api/v1/overview", {405, 405, 404}},
        {"GET", "/api/v1/sessions/", {404, 404, 404}},
        {"GET", "/api/v1/sessions/ID/more", {404, 404, 404}},
        {"GET", "/api/v1/nothing", {404, 404, 404}},
        {"GET", "/metricsx", {404, 404, 404}},
        {"PUT", "/metrics", {501, 501, 501}},
        {"HEAD", "/metrics", {501, 501, 501}},
        {"OPTIONS", "/", {501, 501, 501}},
    };
    struct served_process served;

    served_init(&served);
    fake_session(&served.process, 1, 77, "web", "app", "a1");
    served_start(&served);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char path[128];
        char id[24];
        const char *mark = strstr(cases[i].path, "ID");

        snprintf(path, sizeof(path), "%s", cases[i].path);
        if (mark != NULL)
            snprintf(path, sizeof(path), "%.*s%s%s", (int)(mark - cases[i].path), cases[i].path,
                     session_id_text(77, id), mark + 2);
        for (int number = 0; number < EVERY_DOOR; number++) {
            int status = status_of(door(&served, number), cases[i].method, path);

            if (status != cases[i].statuses[number])
                fail_msg("door %d: %s %s: %d", number, cases[i].method, path, status);
        }
    }
    served_end(&served);
    assert_int_equal(atomic_load(&served.process.workers[1].killed), 77);
}

static void test_only_the_control_socket_kills(void **state)
{
    struct served_process served;
    char path[64];
    char id[24];

    served_init(&served);
    fake_session(&served.process, 0, 5, "web", "app", "a1");
    served_start(&served);
    snprintf(path, sizeof(path), "/api/v1/sessions/%s", session_id_text(5, id));
    assert_int_equal(status_of(&served.admin_addr, "DELETE", path), 403);
    assert_int_equal(status_of(&served.metrics_addr, "DELETE", path), 404);
    served_end(&served);
    assert_int_equal(atomic_load(&served.process.workers[0].killed), 0);
}

static void test_over_tcp_only_addresses_and_localhost_are_hosts(void **state)
{
    static const struct {
        const char *host; /* the whole header, or "" */
        int status;
    } cases[] = {
        {"Host: 127.0.0.1:9797\r\n", 200},
        {"Host: 127.0.0.1\r\n", 200},
        {"Host: localhost\r\n", 200},
        {"Host: LocalHost:80\r\n", 200},
        {"Host: [::1]:9797\r\n", 200},
        {"Host: [::1]\r\n", 200},
        {"Host: 10.1.2.3\r\n", 200},
        {"Host: evil.example\r\n", 421},
        {"Host: evil.example:80\r\n", 421},
        {"Host: localhost.evil.example\r\n", 421},
        {"Host: 127.0.0.1.evil.example\r\n", 421},
        {"Host: [::1]evil\r\n", 421},
        {"Host: [evil]\r\n", 421},
        {"Host: \r\n", 421},
        {"", 421},
    };
    struct served_process served;

    served_init(&served);
    served_start(&served);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        for (int number = 1; number < EVERY_DOOR; number++) {
            char request[256];
            int status;

            snprintf(request, sizeof(request),
                     "GET /readyz HTTP/1.1\r\n%sConnection: close\r\n\r\n", cases[i].host);
            status = raw_status(door(&served, number), request);
            if (status != cases[i].status)
                fail_msg("'%s': %d", cases[i].host, status);
        }
    }
    /* The absolute form names the host, too; HTTP/1.0 needs none; a unix socket has none. */
    assert_int_equal(raw_status(&served.admin_addr, "GET http://evil.example/readyz HTTP/1.1\r\n"
                                                    "Host: 127.0.0.1\r\n\r\n"),
                     421);
    assert_int_equal(raw_status(&served.admin_addr, "GET /readyz HTTP/1.0\r\n\r\n"), 200);
    assert_int_equal(raw_status(&served.socket_addr, "GET /readyz HTTP/1.1\r\nHost: c\r\n\r\n"),
                     200);
    served_end(&served);
}

static void test_answers_carry_their_headers_and_end_the_connection(void **state)
{
    struct served_process served;
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char text[4096];

    served_init(&served);
    served_start(&served);
    for (int number = 0; number < EVERY_DOOR; number++) {
        int64_t took_ms =
            exchange(door(&served, number), request, strlen(request), text, sizeof(text));

        assert_in_range(took_ms, 0, load_limit_ms(2000));
        assert_non_null(strstr(text, "HTTP/1.1 200 "));
        assert_non_null(strstr(text, "\r\nContent-Type: application/json\r\n"));
        assert_non_null(strstr(text, "\r\nCache-Control: no-store\r\n"));
        assert_non_null(strstr(text, "\r\nX-Content-Type-Options: nosniff\r\n"));
        assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
        assert_non_null(strstr(text, "\r\n\r\n{\"ready\":true}\n"));
    }
    served_end(&served);
}

static void test_metrics_come_in_the_format_asked_for(void **state)
{
    struct served_process served;
    static char text[200000];
    static const char open_metrics[] = "GET /metrics HTTP/1.1\r\nHost: c\r\nAccept: "
                                       "application/openmetrics-text;version=1.0.0\r\n\r\n";
    static const char plain[] = "GET /metrics HTTP/1.1\r\nHost: c\r\n\r\n";

    served_init(&served);
    served_start(&served);
    exchange(&served.socket_addr, open_metrics, strlen(open_metrics), text, sizeof(text));
    assert_non_null(strstr(text, "\r\nContent-Type: application/openmetrics-text; version=1.0.0; "
                                 "charset=utf-8\r\n"));
    assert_string_equal(text + strlen(text) - 6, "# EOF\n");
    exchange(&served.socket_addr, plain, strlen(plain), text, sizeof(text));
    assert_non_null(strstr(text, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_null(strstr(text, "# EOF"));
    served_end(&served);
}

static void test_an_unknown_path_suggests_a_known_one(void **state)
{
    struct served_process served;
    struct http_answer answer;
    struct error error;

    served_init(&served);
    served_start(&served);
    assert_int_equal(
        http_call(&served.socket_addr, "GET", "/api/v1/session", NULL, &answer, &error),
        HTTP_ANSWERED);
    assert_int_equal(answer.status, 404);
    assert_string_equal(answer.body, "{\"error\":\"nothing is at '/api/v1/session'\","
                                     "\"did_you_mean\":\"/api/v1/sessions\"}\n");
    http_answer_release(&answer);
    served_end(&served);
}

/* ---- hostile clients ---------------------------------------------------------------------- */

static void assert_still_serves(struct served_process *served)
{
    for (int number = 0; number < EVERY_DOOR; number++)
        assert_int_equal(status_of(door(served, number), "GET", "/readyz"), 200);
}

static void test_broken_requests_end_their_own_connection_only(void **state)
{
    static const char *const requests[] = {
        "\r\n\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / FTP/1.1\r\n\r\n",
        "G\x01T / HTTP/1.1\r\n\r\n",
        "GET /%zz%00?%=&&=%zz HTTP/1.0\r\n\r\n",
        "GET /api/v1/sessions?limit=%00 HTTP/1.0\r\n\r\n",
        "GET /api/v1/sessions?a&b&&= HTTP/1.0\r\n\r\n",
        "GET //////////// HTTP/1.0\r\n\r\n",
        "GET http://[::1 HTTP/1.0\r\n\r\n",
        "GET * HTTP/1.0\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9223372036854775808\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9223372036854775807\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "ffffffffffffffff\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n0\r\n\r\n",
        "GET /readyz HTTP/1.1\r\n : x\r\n\r\n",
        "GET /readyz HTTP/1.1\r\nnocolon\r\n\r\n",
    };
    struct served_process served;

    served_init(&served);
    served_start(&served);
    for (size_t i = 0; i < ARRAY_LENGTH(requests); i++) {
        for (int number = 0; number < EVERY_DOOR; number++) {
            int fd = connect_to(door(&served, number));

            /* Half of them end at once, so that no time-out is waited for. */
            (void)!send(fd, requests[i], strlen(requests[i]), MSG_NOSIGNAL);
            shutdown(fd, SHUT_WR);
            for (char rest[1024]; recv(fd, rest, sizeof(rest), 0) > 0;)
                continue;
            close(fd);
        }
    }
    assert_still_serves(&served);
    served_end(&served);
}

static void test_pipelined_requests_get_one_answer(void **state)
{
    static const char one[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    enum { REQUESTS = 10000 };
    struct served_process served;
    char *all = malloc(REQUESTS * (sizeof(one) - 1));
    char text[8192];

    assert_non_null(all);
    for (size_t i = 0; i < REQUESTS; i++)
        memcpy(all + i * (sizeof(one) - 1), one, sizeof(one) - 1);
    served_init(&served);
    served_start(&served);
    for (int number = 0; number < EVERY_DOOR; number++) {
        assert_in_range(
            exchange(door(&served, number), all, REQUESTS * (sizeof(one) - 1), text, sizeof(text)),
            0, load_limit_ms(10000));
        if (text[0] != '\0') /* a reset may overtake the answer */
            assert_null(strstr(text + 1, "HTTP/1.1 200"));
    }
    assert_still_serves(&served);
    served_end(&served);
    free(all);
}

static void test_too_large_requests_are_refused_early(void **state)
{
    struct served_process served;
    size_t length = 1 << 20;
    char *line = malloc(length);
    char text[4096];

    assert_non_null(line);
    memset(line, 'a', length);
    served_init(&served);
    served_start(&served);
    /* A line of 1 MiB without an end; and a header of 1 MiB. */
    memcpy(line, "GET /", 5);
    assert_in_range(exchange(&served.socket_addr, line, length, text, sizeof(text)), 0,
                    load_limit_ms(4000));
    memcpy(line, "GET / HTTP/1.1\r\nX: ", 19);
    assert_in_range(exchange(&served.socket_addr, line, length, text, sizeof(text)), 0,
                    load_limit_ms(4000));
    assert_still_serves(&served);
    served_end(&served);
    free(line);
}

static size_t count_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* 15 clients of one door send a byte each now and then: at most 4 are held at once, each is cut
   off after a second, for others wait, and the other doors answer meanwhile. */
static void test_slow_clients_hold_few_places_and_not_for_long(void **state)
{
    /* Beside the places of the door: the two connections just answered, a moment longer. */
    enum { CLIENTS = 15, PLACES = 4, MOST = PLACES + 2 };
    struct served_process served;
    struct pollfd clients[CLIENTS];
    int64_t started_ms;
    size_t fds_before;
    int ended = 0;

    served_init(&served);
    served_start(&served);
    fds_before = count_fds();
    started_ms = clock_now_ms();
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct pollfd){.fd = connect_to(&served.admin_addr), .events = POLLIN};
        assert_int_equal(send(clients[i].fd, "G", 1, MSG_NOSIGNAL), 1);
    }
    assert_int_equal(status_of(&served.socket_addr, "GET", "/readyz"), 200);
    assert_int_equal(status_of(&served.metrics_addr, "GET", "/readyz"), 200);
    /* The server's ends of the connections it holds; the rest waits in the kernel's queue. */
    assert_in_range(count_fds(), fds_before + CLIENTS, fds_before + CLIENTS + MOST);
    while (ended < PLACES && clock_now_ms() - started_ms < 20000) {
        poll(clients, CLIENTS, 250);
        for (int i = 0; i < CLIENTS; i++) {
            char byte;

            if (clients[i].fd == -1)
                continue;
            (void)!send(clients[i].fd, "E", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            if ((clients[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
                recv(clients[i].fd, &byte, 1, MSG_DONTWAIT) <= 0) {
                close(clients[i].fd);
                clients[i].fd = -1;
                ended++;
            }
        }
        assert_in_range(count_fds(), 0, fds_before + CLIENTS + MOST);
    }
    assert_int_equal(ended, PLACES);
    assert_in_range(clock_now_ms() - started_ms, GATE_PRESSED_MS, load_limit_ms(5000));
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].fd != -1)
            close(clients[i].fd);
    }
    assert_still_serves(&served);
    served_end(&served);
}

static void test_clients_that_do_not_read_are_cut_off(void **state)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct served_process served;
    int fds[8];

    served_init(&served);
    served_start(&served);
    for (int i = 0; i < 8; i++) {
        int small = 1024;

        fds[i] = connect_to(&served.admin_addr);
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        assert_int_equal(send(fds[i], request, strlen(request), MSG_NOSIGNAL), strlen(request));
    }
    assert_int_equal(status_of(&served.socket_addr, "GET", "/readyz"), 200);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    assert_still_serves(&served);
    served_end(&served);
}

static void test_many_short_connections_leave_nothing_open(void **state)
{
    struct served_process served;
    size_t fds_before;
    int64_t started_ms;

    served_init(&served);
    served_start(&served);
    fds_before = count_fds();
    for (int i = 0; i < 500; i++) {
        close(connect_to(door(&served, i % EVERY_DOOR)));
        assert_int_equal(status_of(door(&served, i % EVERY_DOOR), "GET", "/readyz"), 200);
    }
    started_ms = clock_now_ms();
    while (count_fds() > fds_before && clock_now_ms() - started_ms < 20000)
        poll(NULL, 0, 10);
    assert_int_equal(count_fds(), fds_before);
    served_end(&served);
}

/* The first reload holds the loop up, so that the second request and a look at the connections are
   due together; the second takes longer than a connection has. */
static void reload_slowly(void *argument, struct reload_outcome *outcome)
{
    unsigned *calls = argument;

    if ((*calls)++ == 0)
        poll(NULL, 0, 300);
    else
        ahead_ms = 60000;
    *outcome = (struct reload_outcome){0};
}

static void test_an_answer_may_take_longer_to_make_than_to_take(void **state)
{
    static const char request[] = "POST /api/v1/reload HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    struct served_process served;
    unsigned calls = 0;
    int fds[2];

    served_init(&served);
    served.process.view.reload = reload_slowly;
    served.process.view.reload_argument = &calls;
    served_start(&served);
    for (int i = 0; i < 2; i++) {
        fds[i] = connect_to(&served.socket_addr);
        assert_int_equal(send(fds[i], request, sizeof(request) - 2, 0), sizeof(request) - 2);
    }
    assert_int_equal(status_of(&served.socket_addr, "GET", "/readyz"), 200);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send(fds[i], "\n", 1, 0), 1);
        poll(NULL, 0, 100);
    }
    for (int i = 0; i < 2; i++) {
        char text[13] = "";

        assert_int_equal(recv(fds[i], text, 12, MSG_WAITALL), 12);
        assert_string_equal(text, "HTTP/1.1 200");
        close(fds[i]);
    }
    served_end(&served);
    ahead_ms = 0;
}

/* ---- the socket's file -------------------------------------------------------------------- */

static void test_the_socket_has_its_mode_and_goes_with_the_api(void **state)
{
    struct served_process served;
    struct stat status;

    served_init(&served);
    served.process.snapshot.process.admin_socket_mode = 0640;
    served_start(&served);
    assert_string_equal(http_api_socket_path(served.api), served.socket_path);
    assert_int_equal(stat(served.socket_path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0640);
    served_end(&served);
    assert_int_equal(lstat(served.socket_path, &status), -1);
}

static void test_a_live_socket_a_file_and_a_link_are_left_alone(void **state)
{
    struct served_process served;
    struct event_base *base = event_base_new();
    struct error error = {.text = ""};
    struct stat status;
    char other_path[96];
    char *socket_path = NULL;

    served_init(&served);
    served_start(&served);
    /* Live: the same place again. */
    assert_null(http_api_open(base, &served.process.view, &error));
    assert_true(error.exit_code != 0);
    assert_int_equal(status_of(&served.socket_addr, "GET", "/readyz"), 200);
    /* A file, then a symbolic link. */
    snprintf(other_path, sizeof(other_path), "%s/other", served.folder);
    socket_path = served.process.snapshot.process.admin_socket;
    served.process.snapshot.process.admin_socket = other_path;
    fclose(fopen(other_path, "we"));
    assert_null(http_api_open(base, &served.process.view, &error));
    assert_int_equal(lstat(other_path, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    unlink(other_path);
    assert_int_equal(symlink("/nonexistent", other_path), 0);
    assert_null(http_api_open(base, &served.process.view, &error));
    assert_int_equal(lstat(other_path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    unlink(other_path);
    served.process.snapshot.process.admin_socket = socket_path;
    event_base_free(base);
    served_end(&served);
}

static void test_without_addresses_the_api_is_silent(void **state)
{
    struct fake_process process;
    struct event_base *base = event_base_new();
    struct error error;
    struct http_api *api;

    fake_process_init(&process);
    api = http_api_open(base, &process.view, &error);
    assert_non_null(api);
    assert_null(http_api_socket_path(api));
    http_api_close(api);
    http_api_close(NULL);
    event_base_free(base);
    fake_process_end(&process);
}

static void test_a_busy_address_is_an_error(void **state)
{
    struct served_process served;
    struct event_base *base = event_base_new();
    struct error error = {.text = ""};

    served_init(&served);
    served_start(&served);
    served.process.snapshot.process.admin_socket = NULL;
    assert_null(http_api_open(base, &served.process.view, &error));
    assert_memory_equal(error.text, "[admin] bind", 12);
    event_base_free(base);
    served_end(&served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_door_allows_what_it_should),
        cmocka_unit_test(test_only_the_control_socket_kills),
        cmocka_unit_test(test_over_tcp_only_addresses_and_localhost_are_hosts),
        cmocka_unit_test(test_answers_carry_their_headers_and_end_the_connection),
        cmocka_unit_test(test_metrics_come_in_the_format_asked_for),
        cmocka_unit_test(test_an_unknown_path_suggests_a_known_one),
        cmocka_unit_test(test_broken_requests_end_their_own_connection_only),
        cmocka_unit_test(test_pipelined_requests_get_one_answer),
        cmocka_unit_test(test_too_large_requests_are_refused_early),
        cmocka_unit_test(test_slow_clients_hold_few_places_and_not_for_long),
        cmocka_unit_test(test_an_answer_may_take_longer_to_make_than_to_take),
        cmocka_unit_test(test_clients_that_do_not_read_are_cut_off),
        cmocka_unit_test(test_many_short_connections_leave_nothing_open),
        cmocka_unit_test(test_the_socket_has_its_mode_and_goes_with_the_api),
        cmocka_unit_test(test_a_live_socket_a_file_and_a_link_are_left_alone),
        cmocka_unit_test(test_without_addresses_the_api_is_silent),
        cmocka_unit_test(test_a_busy_address_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
