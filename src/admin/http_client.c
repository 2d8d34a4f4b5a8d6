/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client.c - connect, send, read until the answer is whole.
 */
#include "admin/http_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"

#define TIME_MS 5000
#define FIRST_READ_BYTES 16384

/* ---- the answer --------------------------------------------------------------------------- */

/* The value of a header of the head [bytes, end), or NULL. */
static const char *find_header(const char *bytes, const char *end, const char *name)
{
    size_t name_length = strlen(name);
    const char *line = bytes;

    while (line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));

        if ((size_t)(end - line) > name_length && strncasecmp(line, name, name_length) == 0 &&
            line[name_length] == ':')
            return line + name_length + 1;
        if (next == NULL)
            break;
        line = next + 1;
    }
    return NULL;
}

/* A decimal number that ends its line; false for anything else and for what is too large. */
static bool parse_length(const char *text, size_t *length)
{
    *length = 0;
    while (*text == ' ' || *text == '\t')
        text++;
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        *length = *length * 10 + (size_t)(*text - '0');
        if (*length > HTTP_ANSWER_BYTES_MAX)
            return false;
    }
    return *text == '\r' || *text == '\n';
}

enum http_parse http_answer_parse(char *bytes, size_t length, bool is_end,
                                  struct http_answer *answer)
{
    static const char version[] = "HTTP/1.";
    const enum http_parse unfinished = is_end ? HTTP_PARSE_BAD : HTTP_PARSE_MORE;
    size_t have = length < sizeof(version) - 1 ? length : sizeof(version) - 1;
    const char *wanted;
    size_t wanted_length;
    char *head_end;

    if (memcmp(bytes, version, have) != 0)
        return HTTP_PARSE_BAD;
    head_end = memmem(bytes, length, "\r\n\r\n", 4);
    if (head_end == NULL)
        return unfinished;
    /* "HTTP/1.1 200 …" */
    if (head_end - bytes < 12 || bytes[8] != ' ')
        return HTTP_PARSE_BAD;
    answer->status = 0;
    for (int i = 9; i < 12; i++) {
        if (bytes[i] < '0' || bytes[i] > '9')
            return HTTP_PARSE_BAD;
        answer->status = answer->status * 10 + (bytes[i] - '0');
    }
    answer->body = head_end + 4;
    answer->body_length = length - (size_t)(answer->body - bytes);
    wanted = find_header(bytes, head_end + 2, "Content-Length");
    if (wanted == NULL)
        return is_end ? HTTP_PARSE_WHOLE : HTTP_PARSE_MORE;
    if (!parse_length(wanted, &wanted_length))
        return HTTP_PARSE_BAD;
    if (answer->body_length < wanted_length)
        return unfinished;
    answer->body_length = wanted_length;
    answer->body[wanted_length] = '\0';
    return HTTP_PARSE_WHOLE;
}

void http_answer_release(struct http_answer *answer)
{
    free(answer->bytes);
    memset(answer, 0, sizeof(*answer));
}

/* ---- the connection ----------------------------------------------------------------------- */

static bool wait_for(int fd, short events, int64_t deadline_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};

    while (true) {
        int64_t left_ms = deadline_ms - clock_now_ms();
        int found = poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms : 0);

        if (found == 1)
            return true;
        if (found == 0 || errno != EINTR) {
            if (found == 0)
                errno = ETIMEDOUT;
            return false;
        }
    }
}

/* A connected socket, or -1 with errno. */
static int connect_to(const struct addr *addr, int64_t deadline_ms)
{
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(addr, &storage);
    int fd = socket(addr->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failure = 0;
    socklen_t size = sizeof(failure);

    if (fd == -1)
        return -1;
    if (connect(fd, (const struct sockaddr *)&storage, length) == -1) {
        failure = errno;
        if (failure == EINPROGRESS) {
            if (!wait_for(fd, POLLOUT, deadline_ms))
                failure = errno;
            else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == -1)
                failure = errno;
        }
    }
    if (failure != 0) {
        close(fd);
        errno = failure;
        return -1;
    }
    return fd;
}

static bool send_all(int fd, const char *bytes, size_t length, int64_t deadline_ms)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

        if (sent == -1 && errno != EAGAIN && errno != EINTR)
            return false;
        if (sent == -1 && errno == EAGAIN && !wait_for(fd, POLLOUT, deadline_ms))
            return false;
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        }
    }
    return true;
}

/* False with errno; EBADMSG for what is no HTTP answer, EMSGSIZE for one that is too large. */
static bool receive_answer(int fd, struct http_answer *answer, int64_t deadline_ms)
{
    size_t capacity = FIRST_READ_BYTES;
    size_t length = 0;

    answer->bytes = malloc(capacity + 1);
    while (answer->bytes != NULL) {
        ssize_t got = recv(fd, answer->bytes + length, capacity - length, 0);

        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1 && errno == EAGAIN) {
            if (!wait_for(fd, POLLIN, deadline_ms))
                return false;
            continue;
        }
        if (got == -1)
            return false;
        length += (size_t)got;
        answer->bytes[length] = '\0';
        switch (http_answer_parse(answer->bytes, length, got == 0, answer)) {
        case HTTP_PARSE_WHOLE:
            return true;
        case HTTP_PARSE_BAD:
            errno = EBADMSG;
            return false;
        case HTTP_PARSE_MORE:
            break;
        }
        if (length == capacity) {
            char *more;

            if (capacity >= HTTP_ANSWER_BYTES_MAX) {
                errno = EMSGSIZE;
                return false;
            }
            capacity *= 2;
            more = realloc(answer->bytes, capacity + 1);
            if (more == NULL)
                return false;
            answer->bytes = more;
        }
    }
    return false;
}

enum http_outcome http_call(const struct addr *addr, const char *method, const char *path,
                            const char *body, struct http_answer *answer, struct error *error)
{
    int64_t deadline_ms = clock_now_ms() + TIME_MS;
    char where[ADDR_TEXT_BYTES];
    char about[96] = "";
    char request[1024];
    int length;
    int fd;

    memset(answer, 0, sizeof(*answer));
    addr_text(addr, where);
    if (body != NULL)
        snprintf(about, sizeof(about), "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                 strlen(body));
    length = snprintf(request, sizeof(request),
                      "%s %s HTTP/1.1\r\nHost: %s\r\n%sConnection: close\r\n\r\n%s", method, path,
                      addr->family == AF_UNIX ? "culvert" : where, about, body != NULL ? body : "");
    if (length < 0 || (size_t)length >= sizeof(request)) {
        error_set(error, 0, "the request is too long");
        return HTTP_BROKEN;
    }
    fd = connect_to(addr, deadline_ms);
    if (fd == -1) {
        bool is_forbidden = errno == EACCES || errno == EPERM;

        error_set(error, 0, "cannot connect to %s: %s", where, strerror(errno));
        return is_forbidden ? HTTP_NOT_ALLOWED : HTTP_NOBODY;
    }
    if (!send_all(fd, request, (size_t)length, deadline_ms) ||
        !receive_answer(fd, answer, deadline_ms)) {
        error_set(error, 0, "no answer from %s: %s", where, strerror(errno));
        close(fd);
        return HTTP_BROKEN;
    }
    close(fd);
    return HTTP_ANSWERED;
}
