/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_conn.c - TLS behind conn_ops: what each outcome of OpenSSL means to a conn.
 */
#include "tls/tls_conn.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/fault.h"
#include "core/text.h"
#include "tls/tls_bio.h"
#include "tls/tls_error.h"
#include "tls/tls_internal.h"

/* Records of one read: a peer that sends them small must not keep the worker. */
#define READ_RECORDS 64

/* A peer that sends this much in a row without a byte of data only wants to keep us busy; so does
   one that sends this many messages (KeyUpdates, some 16 us each) where data is due. */
#define FRUITLESS_BYTES_MAX 65536
#define FRUITLESS_MESSAGES_MAX 128

/* The work of such a message, in records of data. */
#define MESSAGE_WORK 4

/* What is dropped in one call before a close, and how many calls: see drop_input(). */
#define DROP_BYTES ((size_t)1 << 20)
#define DROPS 16

#define FAULT_TEXT_BYTES 160

/* What one recv(2) may bring in bulk, when more than a record comes at a time; else it is a record.
 */
#define READ_BUFFER_BYTES 65536
#define BULK_BYTES 16384

/* How reading stands. It only ever moves down this list. */
enum reading { READING, READING_ENDED, READING_FAILED };

struct tls_conn {
    struct conn_method method; /* first: the conn points to it */
    struct tls_peer peer;      /* SSL_get_app_data() points to it */
    struct tls_bio bio;
    SSL *ssl;
    uint32_t sealed;            /* bytes in records that were not sent yet, and so not taken */
    uint32_t burst_bytes;       /* read since the socket was last empty */
    char *fault_text;           /* NULL: none, or no memory for it */
    uint8_t fruitless_messages; /* since the last data */
    uint8_t messages;           /* in the read that is being made */
    uint8_t overwork;           /* reads to skip, for one that took too long */
    enum reading reading : 8;   /* told to the caller once all bytes before it are */
    enum tls_fault fault : 8;
    bool writing_failed : 1;
    bool is_open : 1;     /* the handshake is complete */
    bool is_notified : 1; /* our close_notify is out */
    bool was_lenient : 1;
    bool is_flooded : 1; /* by messages without data: stopped within a call of OpenSSL's */
    bool reads_bulk : 1; /* its read buffer is a large one */
};

static struct tls_conn *tls_of(const struct conn *conn)
{
    return CONTAINER_OF(conn->method, struct tls_conn, method);
}

/* What a call of OpenSSL that did not succeed asks for. */
enum outcome {
    OUTCOME_AGAIN,       /* it returned behind records without data */
    OUTCOME_WANTS_READ,  /* the socket has nothing */
    OUTCOME_WANTS_WRITE, /* the socket takes nothing */
    OUTCOME_ENDED,
    OUTCOME_FAILED,
};

/* The queue belongs to the thread: what one conn leaves behind would fail the next. */
static void clear_errors(void)
{
    if (!fault_is(FAULT_TLS_KEEP_ERRORS))
        ERR_clear_error();
}

static void set_fault(struct tls_conn *tls, enum tls_fault fault, const char *words)
{
    if (tls->fault != TLS_FAULT_NONE)
        return;
    tls->fault = fault;
    tls->fault_text = strdup(words);
    if (fault != TLS_FAULT_TRUNCATED)
        conn_fail(tls->bio.conn, fault == TLS_FAULT_MEMORY ? ENOMEM : EPROTO);
}

/* The error queue in words, or `otherwise` when it is empty. `error_number` is errno after the
   call: OpenSSL does not always say that memory ran out. */
static void set_fault_from_queue(struct tls_conn *tls, int error_number, const char *otherwise)
{
    char memory[FAULT_TEXT_BYTES];
    struct text text = text_over(memory, sizeof(memory));
    enum tls_fault fault = error_number == ENOMEM ? TLS_FAULT_MEMORY : TLS_FAULT_PROTOCOL;

    if (!fault_is(FAULT_TLS_KEEP_ERRORS) && tls_error_take(tls->ssl, &text))
        fault = TLS_FAULT_MEMORY;
    if (text.length == 0)
        text_append(&text, otherwise);
    set_fault(tls, fault, memory);
}

/* Whether no part of a record has been read of which the rest is missing. */
static bool is_between_records(const SSL *ssl)
{
    return SSL_has_pending(ssl) == 0 && strcmp(SSL_rstate_string(ssl), "RH") == 0;
}

/*
 * The peer's FIN came without its close_notify. A TLS 1.2 peer that has our close_notify drops what
 * it had still to send, and may close without an answer (RFC 5246, 7.2.1): nothing is missing.
 */
static enum outcome judge_bare_end(struct tls_conn *tls)
{
    bool is_answer = tls->is_notified && SSL_version(tls->ssl) <= TLS1_2_VERSION;
    bool is_complete = is_between_records(tls->ssl);

    if (!tls->is_open) {
        set_fault(tls, TLS_FAULT_TRUNCATED, "the peer closed during the handshake");
        return OUTCOME_FAILED;
    }
    if (fault_is(FAULT_TLS_CUT_IS_END))
        return OUTCOME_ENDED;
    if (is_complete && (tls->peer.context->lenient_truncation || is_answer)) {
        tls->was_lenient = true;
        return OUTCOME_ENDED;
    }
    set_fault(tls, TLS_FAULT_TRUNCATED,
              is_complete ? "the stream ended without close_notify"
                          : "the stream ended in the middle of a record");
    return OUTCOME_FAILED;
}

/*
 * The one place where an outcome of OpenSSL gets its meaning. To be called right after the call
 * that answered `result`; leaves the thread's error queue empty, lest another conn find it.
 */
static enum outcome judge(struct tls_conn *tls, int result)
{
    enum outcome outcome = OUTCOME_FAILED;
    int error_number = errno;

    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        outcome = tls->bio.is_blocked ? OUTCOME_WANTS_READ : OUTCOME_AGAIN;
        break;
    case SSL_ERROR_WANT_WRITE:
        outcome = OUTCOME_WANTS_WRITE;
        break;
    case SSL_ERROR_ZERO_RETURN:
        if (tls->is_flooded)
            set_fault(tls, TLS_FAULT_PROTOCOL, "too many messages without data");
        else
            outcome = tls->bio.at_end ? judge_bare_end(tls) : OUTCOME_ENDED;
        break;
    case SSL_ERROR_SYSCALL:
    case SSL_ERROR_SSL:
        if (tls->bio.at_end && tls->reading == READING)
            outcome = judge_bare_end(tls);
        else if (ERR_peek_error() != 0 || tls->bio.conn->error == 0)
            set_fault_from_queue(tls, error_number, "TLS failed");
        break;
    default:
        set_fault_from_queue(tls, error_number, "TLS asks for what a relay does not do");
        break;
    }
    clear_errors();
    return outcome;
}

/*
 * SSL_set_msg_callback(3), of an open conn: OpenSSL reads on behind a message as long as it has
 * bytes. To take the stream as ended is the one way to make it stop.
 */
static void on_message(int is_written, int version, int type, const void *bytes, size_t size,
                       SSL *ssl, void *argument)
{
    struct tls_conn *tls = argument;

    (void)version;
    (void)bytes;
    (void)size;
    if (is_written != 0 || type != SSL3_RT_HANDSHAKE)
        return;
    tls->messages++;
    if (++tls->fruitless_messages < FRUITLESS_MESSAGES_MAX)
        return;
    tls->is_flooded = true;
    SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

/* Before each call of OpenSSL. */
static void prepare(struct tls_conn *tls)
{
    clear_errors();
    errno = 0;
    tls->bio.is_blocked = false;
}

/* A call brought no data although there was something to read: whether that may go on. */
static bool may_be_fruitless(struct tls_conn *tls)
{
    if (tls->bio.fruitless_bytes <= FRUITLESS_BYTES_MAX)
        return true;
    set_fault(tls, TLS_FAULT_PROTOCOL, "too many records without data");
    return false;
}

static void set_bulk(struct tls_conn *tls, bool is_bulk)
{
    if (is_bulk != tls->reads_bulk)
        SSL_set_default_read_buffer_len(tls->ssl, is_bulk ? READ_BUFFER_BYTES : 0);
    tls->reads_bulk = is_bulk;
}

/* Reads records until `size` bytes are there, the socket is empty, or enough work is done. */
static size_t read_records(struct tls_conn *tls, unsigned char *bytes, size_t size)
{
    struct conn *conn = tls->bio.conn;
    size_t total = 0;

    tls->messages = 0;
    for (int records = 0; total < size && records + tls->messages * MESSAGE_WORK < READ_RECORDS;
         records++) {
        size_t count = 0;

        prepare(tls);
        if (SSL_read_ex(tls->ssl, bytes + total, size - total, &count) == 1) {
            total += count;
            tls->burst_bytes += (uint32_t)count;
            tls->bio.fruitless_bytes = 0;
            tls->fruitless_messages = 0;
            continue;
        }
        switch (judge(tls, 0)) {
        case OUTCOME_AGAIN: /* ready_in stays: there may be more */
            if (!may_be_fruitless(tls))
                tls->reading = READING_FAILED;
            return total;
        case OUTCOME_WANTS_READ:
            conn->ready_in = false;
            /* The buffer that the next read allocates: one that waits for the rest of a record
               should be small. */
            if (tls->burst_bytes > 0)
                set_bulk(tls, tls->burst_bytes >= BULK_BYTES);
            tls->burst_bytes = 0;
            return total;
        case OUTCOME_WANTS_WRITE:
            conn->ready_in = false;
            conn->ready_out = false;
            conn->read_wants_write = true;
            return total;
        case OUTCOME_ENDED:
            tls->reading = READING_ENDED;
            return total;
        case OUTCOME_FAILED:
            tls->reading = READING_FAILED;
            return total;
        }
    }
    return total;
}

static enum io_result tls_read(struct conn *conn, void *bytes, size_t size, size_t *moved)
{
    struct tls_conn *tls = tls_of(conn);

    if (tls->reading == READING) {
        size_t total;

        if (tls->overwork > 0) {
            tls->overwork--;
            return IO_BLOCKED; /* and ready_in stays */
        }
        conn->read_wants_write = false;
        total = read_records(tls, bytes, size);
        tls->overwork = (uint8_t)(tls->messages * MESSAGE_WORK / READ_RECORDS);
        if (total > 0) {
            *moved = total;
            conn->moved_in = true;
            return IO_MOVED;
        }
    }
    switch (tls->reading) {
    case READING:
        return IO_BLOCKED;
    case READING_ENDED:
        conn->eof = true;
        return IO_ENDED;
    case READING_FAILED:
        break;
    }
    return IO_FAILED;
}

static enum io_result fail_writing(struct tls_conn *tls)
{
    tls->writing_failed = true;
    return IO_FAILED;
}

/* What a write or a shutdown that did not succeed leaves behind: IO_BLOCKED or IO_FAILED. */
static enum io_result stop_writing(struct tls_conn *tls, int result)
{
    struct conn *conn = tls->bio.conn;

    switch (judge(tls, result)) {
    case OUTCOME_WANTS_WRITE:
        conn->ready_out = false;
        return IO_BLOCKED;
    case OUTCOME_AGAIN:
    case OUTCOME_WANTS_READ:
        conn->ready_out = false;
        conn->write_wants_read = true;
        return IO_BLOCKED;
    case OUTCOME_ENDED:
    case OUTCOME_FAILED:
        break;
    }
    return fail_writing(tls);
}

/* One record. */
static enum io_result write_record(struct tls_conn *tls, const unsigned char *bytes, size_t size,
                                   size_t *taken)
{
    prepare(tls);
    /* SSL_MODE_ENABLE_PARTIAL_WRITE */
    if (SSL_write_ex(tls->ssl, bytes, size, taken) == 1)
        return IO_MOVED;
    *taken = 0;
    return stop_writing(tls, 0);
}

/* Several records in one send(2). What is sealed but not sent counts as not taken; it is skipped
   when the bytes are offered again. */
static enum io_result write_gathered(struct tls_conn *tls, const unsigned char *bytes, size_t size,
                                     size_t *taken)
{
    /* Too large for a stack, and used by one conn of a thread at a time. */
    static _Thread_local struct tls_gather gather;
    enum io_result result = IO_MOVED;
    enum io_result sent;
    size_t total = 0;
    bool may_go_on = true;

    tls_bio_gather(&tls->bio, &gather);
    while (total < size && may_go_on && result == IO_MOVED) {
        size_t count;

        result = write_record(tls, bytes + total, size - total, &count);
        if (result == IO_MOVED)
            may_go_on = tls_bio_note_record(&tls->bio, count);
        total += count;
    }
    sent = tls_bio_flush(&tls->bio, taken);
    if (sent == IO_MOVED)
        return result;
    tls->sealed = (uint32_t)(total - *taken);
    if (sent == IO_FAILED)
        return fail_writing(tls); /* and ready_out stays: no event would bring the next call */
    tls->bio.conn->ready_out = false;
    return IO_BLOCKED;
}

/* The records that an earlier write left behind. */
static enum io_result finish_records(struct tls_conn *tls, size_t *taken)
{
    enum io_result result = tls_bio_send_rest(&tls->bio, taken);

    tls->sealed -= (uint32_t)*taken;
    if (result == IO_BLOCKED)
        tls->bio.conn->ready_out = false;
    return result == IO_FAILED ? fail_writing(tls) : result;
}

static enum io_result tls_write(struct conn *conn, const void *bytes, size_t size, size_t *moved)
{
    struct tls_conn *tls = tls_of(conn);
    const unsigned char *from = bytes;
    enum io_result result = IO_MOVED;
    size_t total = 0;

    assert(size >= tls->sealed); /* what was not taken is offered again */
    if (tls->writing_failed)
        return IO_FAILED;
    conn->write_wants_read = false;
    if (tls->bio.kernel != NULL) { /* it makes the records */
        result = conn_plain_ops.write(conn, bytes, size, moved);
        return result == IO_FAILED ? fail_writing(tls) : result;
    }
    if (tls->sealed > 0)
        result = finish_records(tls, &total);
    while (total < size && result == IO_MOVED) {
        size_t left = size - total;
        size_t count = 0;

        if (left <= SSL3_RT_MAX_PLAIN_LENGTH)
            result = write_record(tls, from + total, left, &count);
        else if (left <= TLS_GATHER_PLAIN_BYTES)
            result = write_gathered(tls, from + total, left, &count);
        else
            result = write_gathered(tls, from + total, TLS_GATHER_PLAIN_BYTES, &count);
        total += count;
    }
    if (total == 0)
        return result;
    *moved = total;
    return IO_MOVED; /* a failure behind it is told at the next call */
}

static enum io_result tls_shutdown_write(struct conn *conn)
{
    struct tls_conn *tls = tls_of(conn);

    if (tls->writing_failed)
        return IO_FAILED;
    conn->write_wants_read = false;
    if (!tls->is_notified && SSL_in_init(tls->ssl) == 1) {
        /* In the middle of a message of the peer's, which has to be read first. */
        conn->ready_out = false;
        conn->write_wants_read = true;
        return IO_BLOCKED;
    }
    if (!tls->is_notified) {
        int result;

        prepare(tls);
        result = fault_is(FAULT_TLS_NO_NOTIFY) ? 0 : SSL_shutdown(tls->ssl);
        if (result < 0)
            return stop_writing(tls, result);
        tls->is_notified = true;
    }
    return conn_plain_ops.shutdown_write(conn);
}

/*
 * Raw bytes that nobody will read would make the kernel answer close(2) with a reset, which may
 * overtake what was sent before: the last bytes, our close_notify, or the alert that says what is
 * wrong. recv(2) with MSG_TRUNC drops them in the kernel (tcp(7)).
 */
static void drop_input(struct conn *conn)
{
    int drops = conn->is_tcp ? DROPS : 0;

    while (drops-- > 0 && recv(conn->fd, NULL, DROP_BYTES, MSG_TRUNC | MSG_DONTWAIT) > 0)
        continue;
}

static void tls_release(struct conn *conn, bool is_reset)
{
    struct tls_conn *tls = tls_of(conn);

    if (!is_reset && !tls->bio.at_end && !fault_is(FAULT_TLS_LEAVE_INPUT))
        drop_input(conn);
    if (is_reset && fault_is(FAULT_TLS_NOTIFY_ON_ABORT))
        SSL_shutdown(tls->ssl);
    SSL_free(tls->ssl);
    tls_bio_release(&tls->bio);
    tls_context_free(tls->peer.context);
    free(tls->fault_text);
    free(tls);
    clear_errors();
}

const struct conn_ops conn_tls_ops = {
    .read = tls_read,
    .write = tls_write,
    .shutdown_write = tls_shutdown_write,
    .release = tls_release,
    .may_splice = false,
    .close_ends = false,
    .short_read_empties = false,
};

void tls_conn_configure(SSL_CTX *ssl_ctx)
{
    /* Without AUTO_RETRY a read returns after each record that carries no data, so that a flood of
       them cannot keep the worker. */
    SSL_CTX_clear_mode(ssl_ctx, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_mode(ssl_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_read_ahead(ssl_ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ssl_ctx, READ_BUFFER_BYTES); /* and then see set_bulk() */
}

/* The SSL of a conn, with BIO, context and role. */
static SSL *make_ssl(struct tls_conn *tls, const struct tls_target *target)
{
    struct tls_context *context = tls->peer.context;
    SSL *ssl = SSL_new(context->ssl_ctx);
    BIO *bio = tls_bio_create(&tls->bio);

    if (ssl == NULL || bio == NULL || SSL_set_app_data(ssl, &tls->peer) != 1) {
        BIO_free(bio);
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_bio(ssl, bio, bio);
    if (!tls_context_prepare(context, ssl, target)) {
        SSL_free(ssl);
        return NULL;
    }
    if (context->lenient_truncation)
        SSL_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF); /* judge_bare_end() decides */
    switch (context->role) {
    case TLS_SERVER:
        SSL_set_accept_state(ssl);
        break;
    case TLS_CLIENT:
        SSL_set_connect_state(ssl);
        break;
    }
    return ssl;
}

bool tls_conn_start(struct conn *conn, struct tls_context *context, const struct tls_target *target)
{
    struct tls_conn *tls = calloc(1, sizeof(*tls));

    assert(conn->method == NULL && conn->fd != -1 &&
           (target == NULL) == (context->role == TLS_SERVER));
    if (tls == NULL)
        return false;
    tls->peer.context = tls_context_ref(context);
    tls->peer.session_key = target != NULL ? target->session_key : 0;
    tls->bio.conn = conn;
    tls->reads_bulk = true;
    tls->ssl = make_ssl(tls, target);
    clear_errors();
    if (tls->ssl == NULL) {
        tls_context_free(context);
        free(tls);
        return false;
    }
    tls->method.ops = &conn_tls_ops;
    conn->method = &tls->method;
    conn_look_again(conn);
    return true;
}

/* The handshake is complete: whether the peer is one of those who may take part. */
static enum io_result check_identity(struct tls_conn *tls)
{
    struct conn *conn = tls->bio.conn;
    char words[FAULT_TEXT_BYTES] = "the peer's certificate is not accepted";

    if (tls_context_accepts(tls->peer.context, tls->ssl, words, sizeof(words))) {
        tls->is_open = true;
        tls->bio.trusts_short_reads = true;
        tls->bio.fruitless_bytes = 0;
        SSL_set_msg_callback(tls->ssl, on_message);
        SSL_set_msg_callback_arg(tls->ssl, tls);
        conn->ready_in = true; /* data may lie behind the handshake, read already */
        clear_errors();
        return IO_MOVED;
    }
    clear_errors();
    set_fault(tls, TLS_FAULT_IDENTITY, words);
    return IO_FAILED;
}

static enum io_result go_on_with_handshake(struct tls_conn *tls)
{
    enum outcome outcome;

    do {
        int result;

        prepare(tls);
        result = SSL_do_handshake(tls->ssl);
        if (result == 1)
            return check_identity(tls);
        outcome = judge(tls, result);
    } while (outcome == OUTCOME_AGAIN && may_be_fruitless(tls));

    switch (outcome) {
    case OUTCOME_WANTS_READ:
        tls->bio.conn->ready_in = false;
        return IO_BLOCKED;
    case OUTCOME_WANTS_WRITE:
        tls->bio.conn->ready_out = false;
        return IO_BLOCKED;
    case OUTCOME_ENDED:
        set_fault(tls, TLS_FAULT_PROTOCOL, "the peer ended TLS during the handshake");
        break;
    case OUTCOME_AGAIN:
    case OUTCOME_FAILED:
        break;
    }
    return IO_FAILED;
}

enum io_result tls_conn_handshake(struct conn *conn)
{
    struct tls_conn *tls = tls_of(conn);
    enum io_result result;

    if (tls->reading != READING)
        return IO_FAILED;
    result = go_on_with_handshake(tls);
    if (result == IO_FAILED) {
        tls->reading = READING_FAILED;
        tls->writing_failed = true;
    }
    return result;
}

enum tls_fault tls_conn_fault(const struct conn *conn)
{
    return conn_is_tls(conn) ? tls_of(conn)->fault : TLS_FAULT_NONE;
}

const char *tls_conn_fault_text(const struct conn *conn)
{
    if (tls_conn_fault(conn) == TLS_FAULT_NONE)
        return "";
    return tls_of(conn)->fault_text != NULL ? tls_of(conn)->fault_text : "TLS failed";
}

bool tls_conn_was_lenient(const struct conn *conn)
{
    return conn_is_tls(conn) && tls_of(conn)->was_lenient;
}

SSL *tls_conn_ssl(const struct conn *conn)
{
    return tls_of(conn)->ssl;
}
