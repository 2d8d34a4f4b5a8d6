/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_client.c - the clients before the relay: round trips, bulk, connections, idle sessions.
 */
#include "load.h"

#include "histogram.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    STALL_SECONDS = 20,           /* a client that sees no event for so long gives up */
    LATE_NS = 1000000000,         /* no answer takes so long on a loopback interface */
    BULK_READ_BYTES = 128 * 1024, /* with TLS; cheap, so that the relay is what is measured */
};

/* Where a connection of the connect work is. */
enum connect_step {
    CONNECT_BEGUN, /* the socket is not yet known to be connected */
    CONNECT_SHAKES_HANDS,
    CONNECT_WAITS_FOR_ANSWER,
    CONNECT_WAITS_FOR_END, /* TLS: our close_notify is sent, the relay is to close as well */
};

struct session {
    struct stream stream;
    bool waits_to_write;
    bool is_in_flight; /* a message was begun and its answer is not complete */
    enum connect_step step;
    unsigned to_send, to_receive;
    uint64_t begun_ns;
    uint64_t sequence; /* messages begun; stands at the start of each message */
    uint64_t due;      /* open loop: messages that should have begun by now */
    uint64_t expected; /* bulk: bytes still to come */
    uint64_t head;     /* the first bytes of the answer */
};

struct client {
    const struct options *options;
    SSL_CTX *tls; /* NULL: plain */
    int epoll;
    struct session *sessions;
    uint64_t started_ns;
    uint64_t scheduled; /* open loop: messages that became due, over all sessions */
    uint64_t completed; /* operations: round trips, connections or finished transfers */
    uint64_t bytes;     /* bulk: received */
    uint64_t errors;    /* connections that broke, sessions that got no answer */
    struct histogram latency;
};

static struct client *client_create(const struct options *options, size_t tls_read_bytes)
{
    static struct client client;
    client.options = options;
    if (options->tls) {
        client.tls = tls_client_context(tls_read_bytes, options->resume);
        if (client.tls == NULL) {
            fail("OpenSSL does not have what is asked of it");
        }
    }
    client.epoll = epoll_open();
    client.sessions = calloc(options->sessions, sizeof *client.sessions);
    if (client.sessions == NULL) {
        fail("out of memory");
    }
    return &client;
}

static void session_start_tls(const struct client *client, struct session *session)
{
    if (!stream_connect_tls(&session->stream, client->tls)) {
        fail("out of memory");
    }
}

/* Opens one session with a round trip, blocking: afterwards the relay has connected as well. */
static void client_open_session(const struct client *client, unsigned number, bool asks_for_bytes)
{
    const struct options *options = client->options;
    struct session *session = &client->sessions[number];
    struct sockaddr_in address = address_of(options, number, options->port);
    struct timeval patience = {.tv_sec = STALL_SECONDS};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == -1 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == -1 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) == -1) {
        fail("session %u: connect: %s", number, strerror(errno));
    }
    set_nodelay(fd);
    session->stream.fd = fd;
    if (client->tls != NULL) {
        session_start_tls(client, session);
        if (stream_handshake(&session->stream) != 1) {
            fail("session %u: TLS handshake: %s", number, strerror(errno));
        }
    }
    uint8_t greeting[GREETING_BYTES] = {0};
    uint64_t count = sizeof greeting;
    ssize_t sent = asks_for_bytes
                       ? stream_send(&session->stream, &count, sizeof count, MSG_NOSIGNAL)
                       : stream_send(&session->stream, greeting, sizeof greeting, MSG_NOSIGNAL);
    if (sent <= 0) {
        fail("session %u: send: %s", number, strerror(errno));
    }
    for (size_t received = 0; received < sizeof greeting;) {
        ssize_t more = stream_receive(&session->stream, greeting + received,
                                      sizeof greeting - received, MSG_WAITALL);
        if (more <= 0) {
            fail("session %u: no answer: %s", number, more == -1 ? strerror(errno) : "closed");
        }
        received += (size_t)more;
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1) {
        fail("fcntl: %s", strerror(errno));
    }
}

static void client_open_sessions(const struct client *client, bool asks_for_bytes)
{
    for (unsigned number = 0; number < client->options->sessions; number++) {
        struct session *session = &client->sessions[number];
        client_open_session(client, number, asks_for_bytes);
        epoll_set(client->epoll, EPOLL_CTL_ADD, session->stream.fd, EPOLLIN, session);
    }
}

/* Says "ready" and waits for the word to start. */
static void client_start(struct client *client)
{
    puts("ready");
    fflush(stdout);
    char line[16];
    if (fgets(line, sizeof line, stdin) == NULL) {
        exit(0);
    }
    client->started_ns = now_ns();
}

static int client_report(const struct client *client, const char *work)
{
    double seconds = (double)(now_ns() - client->started_ns) / 1e9;
    const struct histogram *latency = &client->latency;
    printf("{\"work\": \"%s\", \"seconds\": %.6f, \"operations\": %" PRIu64 ", \"bytes\": %" PRIu64
           ", \"errors\": %" PRIu64 ", \"latency_us\": {\"p50\": %.1f, \"p99\": %.1f, "
           "\"p99.9\": %.1f, \"max\": %.1f}}\n",
           work, seconds, client->completed, client->bytes, client->errors,
           (double)histogram_percentile(latency, 0.5) / 1e3,
           (double)histogram_percentile(latency, 0.99) / 1e3,
           (double)histogram_percentile(latency, 0.999) / 1e3, (double)latency->max_ns / 1e3);
    fflush(stdout);
    while (getchar() != EOF) { /* the sessions stay open until then */
    }
    return 0;
}

/* Waits for events until `until_ns`. Returns how many there are. */
static int client_wait(const struct client *client, struct epoll_event *events, uint64_t until_ns)
{
    uint64_t now = now_ns();
    uint64_t wait_ns = until_ns > now ? until_ns - now : 0;
    bool may_stall = wait_ns > STALL_SECONDS * UINT64_C(1000000000);
    if (may_stall) {
        wait_ns = STALL_SECONDS * UINT64_C(1000000000);
    }
    struct timespec timeout = {.tv_sec = (time_t)(wait_ns / 1000000000u),
                               .tv_nsec = (long)(wait_ns % 1000000000u)};
    int count = epoll_pwait2(client->epoll, events, EVENTS_PER_WAIT, &timeout, NULL);
    if (count == -1 && errno != EINTR) {
        fail("epoll_pwait2: %s", strerror(errno));
    }
    if (count == 0 && may_stall) {
        fail("nothing happened for %d s", STALL_SECONDS);
    }
    return count;
}

static uint64_t client_end_ns(const struct client *client)
{
    return client->started_ns + (uint64_t)(client->options->seconds * 1e9);
}

static void session_wait_to_write(const struct client *client, struct session *session, bool waits)
{
    if (waits != session->waits_to_write) {
        epoll_set(client->epoll, EPOLL_CTL_MOD, session->stream.fd,
                  waits ? EPOLLIN | EPOLLOUT : EPOLLIN, session);
        session->waits_to_write = waits;
    }
}

/* ---- Round trips: a message of --size bytes, echoed ----------------------------------------- */

static uint64_t intended_ns(const struct client *client, uint64_t message)
{
    return client->started_ns + (uint64_t)((double)message * 1e9 / client->options->rate);
}

static void session_send(const struct client *client, struct session *session)
{
    unsigned offset = client->options->size_bytes - session->to_send;
    memcpy(scratch, &session->sequence, sizeof session->sequence);
    ssize_t sent = stream_send(&session->stream, scratch + offset, session->to_send,
                               MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == -1) {
        if (errno != EAGAIN && errno != EINTR) {
            fail("send: %s", strerror(errno));
        }
        sent = 0;
    }
    session->to_send -= (unsigned)sent;
    session_wait_to_write(client, session, session->to_send > 0);
}

static void session_begin_message(const struct client *client, struct session *session,
                                  uint64_t begun_ns)
{
    session->sequence++;
    session->begun_ns = begun_ns;
    session->to_send = session->to_receive = client->options->size_bytes;
    session->is_in_flight = true;
    session_send(client, session);
}

/* Begins the session's next message if it is due and the session is free. */
static void session_next_message(const struct client *client, struct session *session, uint64_t now)
{
    const struct options *options = client->options;
    if (options->rate > 0) {
        if (session->sequence < session->due) {
            uint64_t number = (uint64_t)(session - client->sessions);
            session_begin_message(
                client, session,
                intended_ns(client, session->sequence * options->sessions + number));
        }
    } else if (options->messages == 0 ||
               session->sequence < options->messages / options->sessions) {
        session_begin_message(client, session, now);
    }
}

/* False when nothing is there. */
static bool session_receive(struct client *client, struct session *session)
{
    /* Behind the pattern of the message, which must stay as it is. */
    static uint8_t answer[SCRATCH_BYTES];
    ssize_t received = stream_receive(&session->stream, answer, sizeof answer, MSG_DONTWAIT);
    if (received == -1 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (received <= 0) {
        fail("a session broke: %s", received == 0 ? "end of stream" : strerror(errno));
    }
    if (!session->is_in_flight || received > session->to_receive) {
        fail("%zd bytes came that nobody sent", received);
    }
    size_t offset = client->options->size_bytes - session->to_receive;
    if (offset < sizeof session->head) {
        size_t room = sizeof session->head - offset;
        memcpy((uint8_t *)&session->head + offset, answer,
               (size_t)received < room ? (size_t)received : room);
    }
    session->to_receive -= (unsigned)received;
    if (session->to_receive > 0) {
        return true;
    }
    if (session->head != session->sequence) {
        fail("answer %" PRIu64 " came to message %" PRIu64, session->head, session->sequence);
    }
    session->is_in_flight = false;
    uint64_t now = now_ns();
    histogram_record(&client->latency, now - session->begun_ns);
    client->completed++;
    session_next_message(client, session, now);
    return true;
}

/* Begins what has become due. Returns when the next message does. */
static uint64_t client_keep_schedule(struct client *client)
{
    uint64_t now = now_ns();
    while (true) {
        uint64_t next = intended_ns(client, client->scheduled);
        if (next > now) {
            return next;
        }
        struct session *session = &client->sessions[client->scheduled % client->options->sessions];
        session->due++;
        client->scheduled++;
        if (!session->is_in_flight) {
            session_next_message(client, session, now);
        }
    }
}

/* Closed loop: sessions whose answer is so late that it must have been lost or forgotten. */
static unsigned client_late_sessions(const struct client *client)
{
    unsigned late = 0;
    uint64_t now = now_ns();
    for (unsigned number = 0; number < client->options->sessions; number++) {
        const struct session *session = &client->sessions[number];
        late += session->is_in_flight && now - session->begun_ns > LATE_NS;
    }
    return late;
}

int run_pingpong(const struct options *options)
{
    struct client *client = client_create(options, 0);
    client_open_sessions(client, false);
    client_start(client);
    uint64_t end = client_end_ns(client);
    uint64_t total = options->messages / options->sessions * options->sessions;
    if (options->rate == 0) {
        for (unsigned number = 0; number < options->sessions; number++) {
            session_next_message(client, &client->sessions[number], now_ns());
        }
    }
    while (now_ns() < end && (total == 0 || client->completed < total)) {
        uint64_t until = end;
        if (options->rate > 0) {
            uint64_t next = client_keep_schedule(client);
            until = next < end ? next : end;
        }
        struct epoll_event events[EVENTS_PER_WAIT];
        int count = client_wait(client, events, until);
        for (int i = 0; i < count; i++) {
            struct session *session = events[i].data.ptr;
            if (session->to_send > 0 && (events[i].events & EPOLLOUT)) {
                session_send(client, session);
            }
            if (events[i].events & ~(uint32_t)EPOLLOUT) {
                while (session_receive(client, session) && stream_holds_bytes(&session->stream)) {
                }
            }
        }
    }
    if (options->rate == 0) {
        client->errors = client_late_sessions(client);
    }
    return client_report(client, "pingpong");
}

/* ---- Bulk: --bytes in all, from the servers -------------------------------------------------- */

/* False when nothing is there. */
static bool session_receive_bulk(struct client *client, struct session *session)
{
    ssize_t received = stream_receive(&session->stream, scratch, sizeof scratch, MSG_DONTWAIT);
    if (received == -1 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (received <= 0) {
        fail("a session broke: %s", received == 0 ? "end of stream" : strerror(errno));
    }
    if ((uint64_t)received > session->expected) {
        fail("%zd bytes came where %" PRIu64 " were due", received, session->expected);
    }
    client->bytes += (uint64_t)received;
    session->expected -= (uint64_t)received;
    client->completed += session->expected == 0;
    return true;
}

int run_bulk(const struct options *options)
{
    struct client *client = client_create(options, BULK_READ_BYTES);
    client_open_sessions(client, true);
    client_start(client);
    uint64_t share = options->bytes / options->sessions;
    for (unsigned number = 0; number < options->sessions; number++) {
        struct session *session = &client->sessions[number];
        session->expected = share;
        if (stream_send(&session->stream, &share, sizeof share, MSG_NOSIGNAL) != sizeof share) {
            fail("send: %s", strerror(errno));
        }
    }
    while (client->completed < options->sessions) {
        struct epoll_event events[EVENTS_PER_WAIT];
        int count = client_wait(client, events, UINT64_MAX);
        for (int i = 0; i < count; i++) {
            struct session *session = events[i].data.ptr;
            while (session_receive_bulk(client, session) && stream_holds_bytes(&session->stream)) {
            }
        }
    }
    return client_report(client, "bulk");
}

/* ---- Connections: connect, one round trip, close -------------------------------------------- */

static void session_connect(struct client *client, struct session *session, unsigned number)
{
    struct sockaddr_in address = address_of(client->options, number, client->options->port);
    session->begun_ns = now_ns();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1) {
        fail("socket: %s", strerror(errno));
    }
    set_nodelay(fd);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == -1 && errno != EINPROGRESS) {
        fail("connect: %s", strerror(errno));
    }
    session->stream.fd = fd;
    session->step = CONNECT_BEGUN;
    session->to_receive = GREETING_BYTES;
    if (client->tls != NULL) {
        if (client->options->resume && session->stream.ticket == NULL) {
            fail("the relay gave no ticket to resume with");
        }
        session_start_tls(client, session);
    }
    epoll_set(client->epoll, EPOLL_CTL_ADD, fd, EPOLLOUT, session);
}

enum connect_progress { CONNECT_WAITS, CONNECT_DONE, CONNECT_BROKE };

static enum connect_progress progress_of(ssize_t result)
{
    return result == -1 && (errno == EAGAIN || errno == EINTR) ? CONNECT_WAITS : CONNECT_BROKE;
}

static enum connect_progress session_shake_hands(const struct client *client,
                                                 struct session *session)
{
    int done = stream_handshake(&session->stream);
    if (done != 1) {
        return progress_of(done);
    }
    if (stream_is_resumed(&session->stream) != client->options->resume) {
        fail("the session was%s resumed", client->options->resume ? " not" : "");
    }
    return CONNECT_DONE;
}

static enum connect_progress session_take_answer(struct client *client, struct session *session)
{
    do {
        ssize_t received = stream_receive(&session->stream, scratch, session->to_receive, 0);
        if (received <= 0) {
            return progress_of(received);
        }
        session->to_receive -= (unsigned)received;
    } while (session->to_receive > 0 && stream_holds_bytes(&session->stream));
    if (session->to_receive > 0) {
        return CONNECT_WAITS;
    }
    histogram_record(&client->latency, now_ns() - session->begun_ns);
    return CONNECT_DONE;
}

/* One step of a connection. Steps follow each other at once as long as they are done. */
static enum connect_progress session_connect_step(struct client *client, struct session *session)
{
    enum connect_progress progress = CONNECT_DONE;
    switch (session->step) {
    case CONNECT_BEGUN:
        epoll_set(client->epoll, EPOLL_CTL_MOD, session->stream.fd, EPOLLIN, session);
        session->step = CONNECT_SHAKES_HANDS;
        /* fall through */
    case CONNECT_SHAKES_HANDS:
        if (client->tls != NULL) {
            progress = session_shake_hands(client, session);
            if (progress != CONNECT_DONE) {
                return progress;
            }
        }
        /* Also when connect() failed: its error comes here. */
        if (stream_send(&session->stream, scratch, GREETING_BYTES, MSG_NOSIGNAL) !=
            GREETING_BYTES) {
            return CONNECT_BROKE;
        }
        session->step = CONNECT_WAITS_FOR_ANSWER;
        return CONNECT_WAITS;
    case CONNECT_WAITS_FOR_ANSWER:
        progress = session_take_answer(client, session);
        if (progress == CONNECT_DONE && client->tls != NULL) {
            stream_say_end(&session->stream);
            session->step = CONNECT_WAITS_FOR_END;
            progress = CONNECT_WAITS;
        }
        return progress;
    case CONNECT_WAITS_FOR_END: {
        uint8_t more;
        ssize_t received = stream_receive(&session->stream, &more, sizeof more, 0);
        return received == 0 ? CONNECT_DONE : progress_of(received);
    }
    }
    return CONNECT_BROKE;
}

/* Begins connections on free slots: as many as there are or, with a rate, as are due. Returns when
   the next one is due. */
static uint64_t client_connect(struct client *client, struct session **free_slots,
                               unsigned *free_count, unsigned *begun, uint64_t end)
{
    const struct options *options = client->options;
    while (*free_count > 0) {
        uint64_t due = options->rate > 0 ? intended_ns(client, *begun) : 0;
        if (due > now_ns()) {
            return due < end ? due : end;
        }
        struct session *session = free_slots[--*free_count];
        session_connect(client, session, (*begun)++);
        if (options->rate > 0) {
            session->begun_ns = due; /* the wait for a slot is the relay's doing */
        }
    }
    return end;
}

int run_connect(const struct options *options)
{
    struct client *client = client_create(options, 0);
    if (options->resume) {
        for (unsigned number = 0; number < options->sessions; number++) {
            client_open_session(client, number, false);
            stream_say_end(&client->sessions[number].stream);
            stream_close(&client->sessions[number].stream);
        }
    }
    struct session **free_slots = calloc(options->sessions, sizeof *free_slots);
    if (free_slots == NULL) {
        fail("out of memory");
    }
    unsigned free_count = options->sessions;
    for (unsigned number = 0; number < options->sessions; number++) {
        free_slots[number] = &client->sessions[options->sessions - 1 - number];
    }
    client_start(client);
    uint64_t end = client_end_ns(client);
    unsigned begun = 0;
    while (now_ns() < end && (options->messages == 0 || client->completed < options->messages)) {
        uint64_t until = client_connect(client, free_slots, &free_count, &begun, end);
        struct epoll_event events[EVENTS_PER_WAIT];
        int count = client_wait(client, events, until);
        for (int i = 0; i < count; i++) {
            struct session *session = events[i].data.ptr;
            enum connect_progress progress = session_connect_step(client, session);
            if (progress == CONNECT_WAITS) {
                continue;
            }
            if (progress == CONNECT_BROKE) {
                client->errors++;
            } else {
                client->completed++;
            }
            stream_close(&session->stream);
            free_slots[free_count++] = session;
        }
    }
    return client_report(client, "connect");
}

/* ---- Idle: sessions that were used once ------------------------------------------------------ */

/* Each line of input is how many sessions to have open by now, each answer "ready". */
int run_idle(const struct options *options)
{
    const struct client *client = client_create(options, 0);
    unsigned open = 0, wanted;
    while (scanf("%u", &wanted) == 1) {
        if (wanted > options->sessions) {
            fail("there is no room for so many sessions");
        }
        for (; open < wanted; open++) {
            client_open_session(client, open, false);
        }
        puts("ready");
        fflush(stdout);
    }
    return 0;
}
