/* SPDX-License-Identifier: Apache-2.0 */
/* test_http_client.c - answers in any pieces, and what is no answer. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/addr.h"
#include "admin/http_client.h"

static enum http_parse parse(const char *text, bool is_end, struct http_answer *answer)
{
    /* A copy of the exact size, so that reading beyond it is found. */
    size_t length = strlen(text);
    char *bytes = malloc(length + 1);
    enum http_parse result;

    assert_non_null(bytes);
    memcpy(bytes, text, length + 1);
    memset(answer, 0, sizeof(*answer));
    result = http_answer_parse(bytes, length, is_end, answer);
    answer->bytes = bytes;
    return result;
}

static void assert_parse(const char *text, bool is_end, enum http_parse expected)
{
    struct http_answer answer;

    assert_int_equal(parse(text, is_end, &answer), expected);
    http_answer_release(&answer);
}

static void test_a_whole_answer_is_taken_apart(void **state)
{
    struct http_answer answer;

    assert_int_equal(
        parse("HTTP/1.1 404 Not Found\r\nA: b\r\ncontent-length: 3\r\n\r\nabcdef", false, &answer),
        HTTP_PARSE_WHOLE);
    assert_int_equal(answer.status, 404);
    assert_int_equal(answer.body_length, 3);
    assert_string_equal(answer.body, "abc");
    http_answer_release(&answer);
    http_answer_release(&answer);
}

static void test_every_prefix_of_an_answer_wants_more(void **state)
{
    static const char whole[] = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello";

    for (size_t length = 0; length < sizeof(whole) - 1; length++) {
        char prefix[sizeof(whole)];

        memcpy(prefix, whole, length);
        prefix[length] = '\0';
        assert_parse(prefix, false, HTTP_PARSE_MORE);
        assert_parse(prefix, true, HTTP_PARSE_BAD);
    }
    assert_parse(whole, false, HTTP_PARSE_WHOLE);
}

static void test_without_a_length_the_end_of_the_stream_counts(void **state)
{
    struct http_answer answer;

    assert_parse("HTTP/1.0 200 OK\r\n\r\nab", false, HTTP_PARSE_MORE);
    assert_int_equal(parse("HTTP/1.0 200 OK\r\n\r\nab", true, &answer), HTTP_PARSE_WHOLE);
    assert_string_equal(answer.body, "ab");
    http_answer_release(&answer);
}

static void test_what_is_no_answer_is_refused(void **state)
{
    assert_parse("SSH-2.0-OpenSSH_9.2\r\n", false, HTTP_PARSE_BAD);
    assert_parse("HTTP/2", false, HTTP_PARSE_BAD);
    assert_parse("HTTP/1.1 OK\r\n\r\n", false, HTTP_PARSE_BAD);
    assert_parse("HTTP/1.1 2x0 OK\r\n\r\n", false, HTTP_PARSE_BAD);
    assert_parse("HTTP/1.1\r\n\r\n", false, HTTP_PARSE_BAD);
    assert_parse("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false, HTTP_PARSE_BAD);
    assert_parse("HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\na", false, HTTP_PARSE_BAD);
    assert_parse("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\na", false, HTTP_PARSE_BAD);
    assert_parse("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", false,
                 HTTP_PARSE_BAD);
}

/* A listening socket in the abstract namespace, and what it answers to one client. */
struct one_answer {
    int fd;
    struct addr addr;
    char name[64];
    const char *answer; /* NULL: close at once */
    char request[512];
};

static void *serve(void *argument)
{
    struct one_answer *server = argument;
    int fd = accept(server->fd, NULL, NULL);

    if (fd == -1)
        return NULL;
    if (server->answer != NULL) {
        (void)!read(fd, server->request, sizeof(server->request) - 1);
        for (const char *byte = server->answer; *byte != '\0'; byte++)
            (void)!send(fd, byte, 1, MSG_NOSIGNAL);
    }
    close(fd);
    return NULL;
}

static void server_open(struct one_answer *server, const char *answer)
{
    struct sockaddr_storage storage;
    socklen_t length;

    memset(server, 0, sizeof(*server));
    snprintf(server->name, sizeof(server->name), "culvert-test-client-%d", getpid());
    server->answer = answer;
    server->addr = (struct addr){.family = AF_UNIX, .is_abstract = true, .path = server->name};
    length = addr_to_sockaddr(&server->addr, &storage);
    server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&storage, length), 0);
    assert_int_equal(listen(server->fd, 1), 0);
}

static void test_a_call_gets_the_answer_byte_by_byte(void **state)
{
    struct one_answer server;
    struct http_answer answer;
    struct error error;
    pthread_t thread;

    server_open(&server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    assert_int_equal(pthread_create(&thread, NULL, serve, &server), 0);
    assert_int_equal(http_call(&server.addr, "GET", "/readyz", NULL, &answer, &error),
                     HTTP_ANSWERED);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "hi");
    pthread_join(thread, NULL);
    assert_string_equal(server.request,
                        "GET /readyz HTTP/1.1\r\nHost: culvert\r\nConnection: close\r\n\r\n");
    http_answer_release(&answer);
    close(server.fd);
}

static void test_a_call_without_an_answer_fails(void **state)
{
    static const char *const answers[] = {NULL, "nonsense",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
                                          "\r\nshort"};

    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        struct one_answer server;
        struct http_answer answer;
        struct error error = {.text = ""};
        pthread_t thread;

        server_open(&server, answers[i]);
        assert_int_equal(pthread_create(&thread, NULL, serve, &server), 0);
        assert_int_equal(http_call(&server.addr, "GET", "/", NULL, &answer, &error), HTTP_BROKEN);
        assert_true(error.text[0] != '\0');
        pthread_join(thread, NULL);
        http_answer_release(&answer);
        close(server.fd);
    }
}

static void test_nobody_listens(void **state)
{
    struct addr addr = {.family = AF_UNIX, .path = "/nonexistent/culvert.sock"};
    struct http_answer answer;
    struct error error;

    assert_int_equal(http_call(&addr, "GET", "/", NULL, &answer, &error), HTTP_NOBODY);
    assert_string_equal(error.text, "cannot connect to unix:/nonexistent/culvert.sock: "
                                    "No such file or directory");
    http_answer_release(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_answer_is_taken_apart),
        cmocka_unit_test(test_every_prefix_of_an_answer_wants_more),
        cmocka_unit_test(test_without_a_length_the_end_of_the_stream_counts),
        cmocka_unit_test(test_what_is_no_answer_is_refused),
        cmocka_unit_test(test_a_call_gets_the_answer_byte_by_byte),
        cmocka_unit_test(test_a_call_without_an_answer_fails),
        cmocka_unit_test(test_nobody_listens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
