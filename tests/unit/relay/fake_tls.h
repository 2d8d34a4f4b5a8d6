/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_tls.h - for tests of the relay: handshakes of one byte each.
 *
 * Replaces the functions of tls/tls_conn.h (ld's --wrap), so that each step of a handshake is the
 * test's to choose. In the client role 'H' is sent first. Of what is received, '.' is a step that
 * is not the last, 'F' completes the handshake, 'M' is want of memory, and any other byte is a
 * fault with a text. What follows is relayed as it is.
 */
#ifndef CULVERT_TEST_RELAY_FAKE_TLS_H
#define CULVERT_TEST_RELAY_FAKE_TLS_H

#include "tls/tls_conn.h"
#include "relay/relay_world.h"

static struct {
    bool has_no_memory;
    bool is_resumed;
    const char *version;
    unsigned turns; /* steps made */
    const char *server_name;
    uint64_t session_key;
    enum tls_fault fault;
    bool is_greeted[1024]; /* by fd: 'H' was sent */
} fake_tls = {.version = "TLSv1.3"};

static char fake_tls_conn;
static struct conn_method fake_tls_method; /* of conns that shake hands */
static struct tls_profile *const fake_profile = (struct tls_profile *)&fake_tls_conn;

bool __wrap_tls_conn_start(struct conn *conn, struct tls_context *context,
                           const struct tls_target *target);
enum io_result __wrap_tls_conn_handshake(struct conn *conn);
enum tls_fault __wrap_tls_conn_fault(const struct conn *conn);
const char *__wrap_tls_conn_fault_text(const struct conn *conn);
const char *__wrap_tls_conn_version(const struct conn *conn);
const char *__wrap_tls_conn_server_name(const struct conn *conn);
bool __wrap_tls_conn_was_lenient(const struct conn *conn);
bool __wrap_tls_conn_is_resumed(const struct conn *conn);
struct tls_context *__wrap_tls_profile_context(const struct tls_profile *profile, unsigned worker);

bool __wrap_tls_conn_start(struct conn *conn, struct tls_context *context,
                           const struct tls_target *target)
{
    assert_ptr_equal(context, fake_profile);
    if (fake_tls.has_no_memory)
        return false;
    fake_tls_method.ops = &conn_plain_ops;
    conn->method = &fake_tls_method;
    conn->ready_in = true;
    fake_tls.is_greeted[conn->fd] = target == NULL;
    if (target != NULL) {
        fake_tls.server_name = target->server_name;
        fake_tls.session_key = target->session_key;
    }
    return true;
}

enum io_result __wrap_tls_conn_handshake(struct conn *conn)
{
    char byte;
    ssize_t count;

    fake_tls.turns++;
    if (!fake_tls.is_greeted[conn->fd]) {
        assert_int_equal(send(conn->fd, "H", 1, MSG_NOSIGNAL), 1);
        fake_tls.is_greeted[conn->fd] = true;
    }
    count = recv(conn->fd, &byte, 1, 0);
    if (count == 1 && byte == 'F')
        return IO_MOVED;
    if (count == 1 && byte == '.')
        return IO_BLOCKED; /* ready_in stays: there may be more */
    if (count == -1 && errno == EAGAIN) {
        conn->ready_in = false;
        return IO_BLOCKED;
    }
    if (count == 1 && byte == 'M') {
        fake_tls.fault = TLS_FAULT_MEMORY;
        conn_fail(conn, ENOMEM);
        return IO_FAILED;
    }
    fake_tls.fault = count == 1   ? TLS_FAULT_PROTOCOL
                     : count == 0 ? TLS_FAULT_TRUNCATED
                                  : TLS_FAULT_NONE;
    conn_fail(conn, count == -1 ? errno : EPROTO);
    return IO_FAILED;
}

enum tls_fault __wrap_tls_conn_fault(const struct conn *conn)
{
    return fake_tls.fault;
}

const char *__wrap_tls_conn_fault_text(const struct conn *conn)
{
    return fake_tls.fault == TLS_FAULT_PROTOCOL ? "wrong byte" : "";
}

const char *__wrap_tls_conn_version(const struct conn *conn)
{
    return fake_tls.version;
}

const char *__wrap_tls_conn_server_name(const struct conn *conn)
{
    return "Asked.example.COM";
}

bool __wrap_tls_conn_is_resumed(const struct conn *conn)
{
    return fake_tls.is_resumed;
}

/* fake_tls_method is no tls_conn: whatever would look into one is replaced. */
bool __wrap_tls_conn_was_lenient(const struct conn *conn)
{
    return false;
}

struct tls_context *__wrap_tls_profile_context(const struct tls_profile *profile, unsigned worker)
{
    return (struct tls_context *)profile;
}

/* A cmocka setup function. */
static inline int fake_tls_mend(void **state)
{
    memset(&fake_tls, 0, sizeof(fake_tls));
    fake_tls.version = "TLSv1.3";
    return 0;
}

static inline void fake_tls_send(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Waits for exactly this text at a peer. */
static inline void fake_tls_expect(struct relay_world *world, int fd, const char *text)
{
    char byte = 0;

    for (; *text != '\0'; text++) {
        RUN_UNTIL(world, recv(fd, &byte, 1, 0) == 1);
        assert_int_equal(byte, *text);
    }
}

#endif
