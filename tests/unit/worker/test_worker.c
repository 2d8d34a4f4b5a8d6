/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_worker.c - two workers with their threads: serving, handing over, answering, draining,
 * stopping. The test is the control thread.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "worker/worker.h"
#include "worker/worker_world.h"

static bool eventfd_fails;
static _Atomic unsigned taken_by[WORKER_WORLD_WORKERS];

void __wrap_tls_profile_take(struct tls_profile *profile, unsigned worker,
                             struct tls_context *context);

void __wrap_tls_profile_take(struct tls_profile *profile, unsigned worker,
                             struct tls_context *context)
{
    assert_ptr_equal(profile, &eventfd_fails); /* any address will do */
    assert_ptr_equal(context, taken_by);
    atomic_fetch_add(&taken_by[worker], 1);
}

int __real_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags);

int __wrap_eventfd(unsigned value, int flags)
{
    if (eventfd_fails) {
        errno = EMFILE;
        return -1;
    }
    return __real_eventfd(value, flags);
}

static void open_world(struct worker_world *world, enum builtin_service service)
{
    worker_world_configure(world, service);
    worker_world_start(world, WORKER_WORLD_WORKERS);
    worker_world_run(world);
}

/* Sends, and receives the echo. */
static void exchange(int fd, uint64_t position, size_t size)
{
    enum peer_end end = PEER_OPEN;
    size_t received = 0;

    WAIT_UNTIL(peer_send_some(fd, position, size) == size);
    WAIT_UNTIL((received += peer_receive_some(fd, position + received, size - received, &end)) ==
                   size ||
               end != PEER_OPEN);
    assert_int_equal(received, size);
}

static enum peer_end end_of(int fd)
{
    enum peer_end end = PEER_OPEN;

    WAIT_UNTIL((peer_receive_some(fd, 0, 1, &end), end != PEER_OPEN));
    return end;
}

static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        peer_close(&fds[i]);
}

static int sessions(const struct worker_world *world)
{
    return atomic_load(&world->shared.sessions);
}

static void test_workers_serve_many_clients_and_give_every_place_back(void **state)
{
    enum { CLIENTS = 100 };
    struct worker_world world;
    int clients[CLIENTS];

    open_world(&world, BUILTIN_ECHO);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = tcp_connect(world.port);
    for (int i = 0; i < CLIENTS; i++)
        exchange(clients[i], 0, 1000 + (size_t)i * 97);
    WAIT_UNTIL(sessions(&world) == CLIENTS);
    assert_int_equal(worker_world_accepted(&world), CLIENTS);
    assert_int_equal(worker_sessions(world.workers[0]) + worker_sessions(world.workers[1]),
                     CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        shutdown(clients[i], SHUT_WR);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(end_of(clients[i]), PEER_ENDED);
    WAIT_UNTIL(sessions(&world) == 0);
    assert_int_equal(worker_world_closed(&world, CLOSE_DONE), CLIENTS);
    close_all(clients, CLIENTS);
    worker_world_close(&world);
}

static void test_sessions_are_shared_evenly_when_one_socket_gets_all_connections(void **state)
{
    enum { CLIENTS = 100 };
    struct worker_world world;
    int clients[CLIENTS];

    worker_world_configure(&world, BUILTIN_ECHO);
    worker_world_start(&world, WORKER_WORLD_WORKERS);
    /* The second worker has no socket of its own. */
    shutdown(world.listen_fds[1], SHUT_RDWR);
    close(world.listen_fds[1]);
    world.workers[1]->listener_count = 0;
    worker_world_run(&world);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = tcp_connect(world.port);
        exchange(clients[i], 0, 10);
    }
    assert_int_equal(sessions(&world), CLIENTS);
    assert_in_range(worker_sessions(world.workers[1]), 40, 50);
    assert_int_equal(counter_get(&worker_counters(world.workers[1])->listeners[0].accepted), 0);
    close_all(clients, CLIENTS);
    WAIT_UNTIL(sessions(&world) == 0);
    worker_world_close(&world);
}

static void test_a_killed_session_is_reset_and_the_others_live_on(void **state)
{
    struct worker_world world;
    struct sessions_query *query;
    struct sessions_filter filter = {.phase = -1};
    int clients[4];
    int resets = 0;
    uint64_t id = 0;

    open_world(&world, BUILTIN_ECHO);
    for (int i = 0; i < 4; i++) {
        clients[i] = tcp_connect(world.port);
        exchange(clients[i], 0, 10);
    }
    query = sessions_query_create(&filter, 100, WORKER_WORLD_WORKERS);
    for (unsigned i = 0; i < WORKER_WORLD_WORKERS; i++) {
        sessions_query_ref(query);
        worker_world_post(&world, i, (struct message){.kind = MESSAGE_SESSIONS, .query = query});
    }
    assert_true(sessions_query_wait(query, 20000));
    assert_int_equal(query->parts[0].count + query->parts[1].count, 4);
    for (unsigned i = 0; i < WORKER_WORLD_WORKERS; i++) {
        for (size_t k = 0; k < query->parts[i].count; k++) {
            id = query->parts[i].rows[k].id;
            assert_int_equal(id >> 56, i); /* the worker's number */
        }
    }
    sessions_query_unref(query);
    /* To both, as the control thread may do: the other finds nothing. */
    for (unsigned i = 0; i < WORKER_WORLD_WORKERS; i++)
        worker_world_post(&world, i, (struct message){.kind = MESSAGE_KILL, .id = id});
    /* A session gives its place back last, when it is counted and its sockets are closed. */
    WAIT_UNTIL(sessions(&world) == 3);
    assert_int_equal(worker_world_closed(&world, CLOSE_KILLED), 1);
    for (int i = 0; i < 4; i++) {
        enum peer_end end = PEER_OPEN;

        peer_receive_some(clients[i], 0, 1, &end);
        resets += end == PEER_RESET;
    }
    assert_int_equal(resets, 1);
    assert_int_equal(sessions(&world), 3);
    close_all(clients, 4);
    worker_world_close(&world);
}

static void test_what_a_tls_profile_has_loaded_is_taken_over(void **state)
{
    struct worker_world world;

    open_world(&world, BUILTIN_ECHO);
    for (unsigned i = 0; i < WORKER_WORLD_WORKERS; i++)
        worker_world_post(&world, i,
                          (struct message){.kind = MESSAGE_TLS,
                                           .profile = (struct tls_profile *)&eventfd_fails,
                                           .context = (struct tls_context *)taken_by});
    for (unsigned i = 0; i < WORKER_WORLD_WORKERS; i++)
        WAIT_UNTIL(atomic_load(&taken_by[i]) == 1);
    worker_world_close(&world);
}

static void test_questions_are_answered_while_sessions_come_and_go(void **state)
{
    enum { CLIENTS = 300, ROUNDS = 20 };
    struct worker_world world;
    struct sessions_filter filter = {.phase = -1};
    int clients[CLIENTS];

    open_world(&world, BUILTIN_ECHO);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = tcp_connect(world.port);
    WAIT_UNTIL(sessions(&world) == CLIENTS);
    for (int round = 0; round < ROUNDS; round++) {
        struct sessions_query *query = sessions_query_create(&filter, 50, WORKER_WORLD_WORKERS);
        uint64_t total;

        for (unsigned i = 0; i < WORKER_WORLD_WORKERS; i++) {
            sessions_query_ref(query);
            worker_world_post(&world, i,
                              (struct message){.kind = MESSAGE_SESSIONS, .query = query});
        }
        for (int i = round; i < CLIENTS; i += 10) {
            peer_close(&clients[i]);
            clients[i] = tcp_connect(world.port);
        }
        assert_true(sessions_query_wait(query, 20000));
        total = query->parts[0].total + query->parts[1].total;
        /* Who leaves and comes back during the walk may be met twice. */
        assert_in_range(total, CLIENTS / 2, 2 * CLIENTS);
        assert_true(query->parts[0].count <= 50);
        sessions_query_unref(query);
        WAIT_UNTIL(sessions(&world) == CLIENTS);
    }
    close_all(clients, CLIENTS);
    WAIT_UNTIL(sessions(&world) == 0);
    worker_world_close(&world);
}

/* Draining */

static bool is_refused(uint16_t port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused =
        connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 && errno == ECONNREFUSED;

    close(fd);
    return refused;
}

static void test_a_drain_closes_the_port_and_leaves_the_sessions(void **state)
{
    struct worker_world world;
    int client;

    open_world(&world, BUILTIN_ECHO);
    client = tcp_connect(world.port);
    exchange(client, 0, 10);
    for (unsigned i = 0; i < WORKER_WORLD_WORKERS; i++)
        worker_world_post(&world, i, (struct message){.kind = MESSAGE_DRAIN});
    WAIT_UNTIL(is_refused(world.port));
    exchange(client, 10, 5000);
    shutdown(client, SHUT_WR);
    assert_int_equal(end_of(client), PEER_ENDED);
    peer_close(&client);
    WAIT_UNTIL(sessions(&world) == 0);
    worker_world_close(&world);
}

static void test_a_drain_serves_whoever_was_queued_before(void **state)
{
    enum { CLIENTS = 60 };
    struct worker_world world;
    int clients[CLIENTS];

    worker_world_configure(&world, BUILTIN_ECHO);
    worker_world_start(&world, WORKER_WORLD_WORKERS);
    /* The kernel has accepted them before any worker runs; then the drain is the first message. */
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = tcp_connect(world.port);
        assert_int_equal(peer_poll(clients[i], POLLOUT, TCP_PAIR_DEADLINE_MS), POLLOUT);
    }
    for (unsigned i = 0; i < WORKER_WORLD_WORKERS; i++)
        worker_world_post(&world, i, (struct message){.kind = MESSAGE_DRAIN});
    worker_world_run(&world);
    for (int i = 0; i < CLIENTS; i++)
        exchange(clients[i], 0, 100);
    assert_int_equal(worker_world_accepted(&world), CLIENTS);
    close_all(clients, CLIENTS);
    WAIT_UNTIL(sessions(&world) == 0);
    worker_world_close(&world);
}

static void test_a_cut_takes_idle_sessions_first_and_no_more_than_asked_for(void **state)
{
    struct worker_world world;
    int clients[6];
    uint64_t position = 0;
    int64_t until_us;

    worker_world_configure(&world, BUILTIN_ECHO);
    worker_world_start(&world, 1);
    worker_world_run(&world);
    for (int i = 0; i < 6; i++) {
        clients[i] = tcp_connect(world.port);
        exchange(clients[i], 0, 10);
    }
    /* The first two, which are the oldest, go on talking until the others count as idle. */
    until_us = clock_now_us() + 1100000;
    while (clock_now_us() < until_us) {
        exchange(clients[0], 10 + position, 10);
        exchange(clients[1], 10 + position, 10);
        position += 10;
    }
    worker_world_post(&world, 0, (struct message){.kind = MESSAGE_CUT, .count = 3});
    WAIT_UNTIL(sessions(&world) <= 3);
    exchange(clients[0], 10 + position, 10);
    exchange(clients[1], 10 + position, 10);
    assert_int_equal(sessions(&world), 3);
    assert_int_equal(worker_world_closed(&world, CLOSE_DRAINED), 3);
    /* Now more than there are idle ones. */
    worker_world_post(&world, 0, (struct message){.kind = MESSAGE_CUT, .count = 2});
    WAIT_UNTIL(sessions(&world) <= 1);
    assert_int_equal(worker_world_closed(&world, CLOSE_DRAINED), 5);
    assert_int_equal(sessions(&world), 1);
    close_all(clients, 6);
    WAIT_UNTIL(sessions(&world) == 0);
    worker_world_close(&world);
}

static void test_a_stop_resets_all_sessions_as_drained(void **state)
{
    enum { CLIENTS = 20 };
    struct worker_world world;
    struct session_record record;
    int clients[CLIENTS];
    unsigned drained = 0;

    open_world(&world, BUILTIN_ECHO);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = tcp_connect(world.port);
        exchange(clients[i], 0, 10);
    }
    for (unsigned i = 0; i < WORKER_WORLD_WORKERS; i++)
        worker_world_post(&world, i, (struct message){.kind = MESSAGE_STOP});
    for (unsigned i = 0; i < WORKER_WORLD_WORKERS; i++)
        worker_join(world.workers[i]);
    assert_int_equal(sessions(&world), 0);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(end_of(clients[i]), PEER_RESET);
    while (worker_world_record(&world, &record)) {
        assert_int_equal(record.reason, CLOSE_DRAINED);
        assert_int_equal(record.first, FIRST_CULVERT);
        drained++;
    }
    assert_int_equal(drained, CLIENTS);
    assert_int_equal(worker_world_closed(&world, CLOSE_DRAINED), CLIENTS);
    close_all(clients, CLIENTS);
    world.has_threads = false;
    /* Mailboxes are closed: nothing is taken any more. */
    assert_false(
        mailbox_post(worker_mailbox(world.workers[0]), &(struct message){.kind = MESSAGE_DRAIN}));
    for (unsigned i = 0; i < WORKER_WORLD_WORKERS; i++) {
        worker_destroy(world.workers[i]);
        log_ring_destroy(world.rings[i]);
    }
    world.shared.worker_count = 0;
    worker_world_close(&world);
}

static void test_workers_stop_in_the_middle_of_traffic(void **state)
{
    enum { CLIENTS = 40 };
    struct worker_world world;
    int clients[CLIENTS];

    open_world(&world, BUILTIN_CHARGEN);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = tcp_connect(world.port);
    WAIT_UNTIL(worker_world_accepted(&world) >= CLIENTS / 2);
    /* Some still in the queue, some handed over, some relaying, none ever read by its client. */
    worker_world_close(&world);
    close_all(clients, CLIENTS);
}

/* The thread */

/* Looks for a thread of this name; `*blocked` becomes its signal mask. */
static bool has_thread(const char *name, unsigned long long *blocked)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    bool found = false;

    assert_non_null(tasks);
    while (!found && (task = readdir(tasks)) != NULL) {
        char path[300];
        char line[128];
        char is[32] = "";
        FILE *file;

        snprintf(path, sizeof(path), "/proc/self/task/%s/status", task->d_name);
        file = fopen(path, "re");
        if (file == NULL)
            continue;
        while (fgets(line, sizeof(line), file) != NULL) {
            sscanf(line, "Name: %31s", is);
            sscanf(line, "SigBlk: %llx", blocked);
        }
        found = strcmp(is, name) == 0;
        fclose(file);
    }
    closedir(tasks);
    return found;
}

static void test_threads_have_names_and_leave_signals_to_others(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD};
    struct worker_world world;
    unsigned long long blocked = 0;
    sigset_t mine;

    open_world(&world, BUILTIN_ECHO);
    WAIT_UNTIL(has_thread("culvert-0", &blocked) && has_thread("culvert-1", &blocked));
    sigemptyset(&mine);
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    for (size_t i = 0; i < ARRAY_LENGTH(signals); i++) {
        assert_true((blocked >> (signals[i] - 1) & 1) == 1);
        assert_int_equal(sigismember(&mine, signals[i]), 0);
    }
    worker_world_close(&world);
    WAIT_UNTIL(!has_thread("culvert-0", &blocked));
}

static void test_a_running_worker_shows_its_beat(void **state)
{
    struct worker_world world;
    struct worker_gauges gauges = {0};
    int64_t now_ms = clock_now_ms();

    open_world(&world, BUILTIN_ECHO);
    WAIT_UNTIL((worker_read_gauges(world.workers[1], &gauges), gauges.loop_beat_ms >= now_ms));
    assert_int_equal(gauges.pipes_lent, 0);
    assert_int_equal(gauges.buffer_bytes, 0);
    worker_world_close(&world);
}

static void test_without_descriptors_no_worker_is_made_and_the_error_says_so(void **state)
{
    struct worker_world world;
    struct error error = {0};

    worker_world_configure(&world, BUILTIN_ECHO);
    eventfd_fails = true;
    assert_null(worker_create(0, &world.shared, &world.relay.snapshot, NULL, &error));
    eventfd_fails = false;
    assert_non_null(strstr(error.text, "worker 0"));
    assert_int_equal(world.relay.snapshot.references, 1);
    for (unsigned i = 0; i < RELAY_WORLD_SERVERS; i++)
        peer_close(&world.relay.server_fds[i]);
}

static void test_a_worker_that_never_ran_may_be_destroyed(void **state)
{
    struct worker_world world;

    worker_destroy(NULL);
    worker_world_configure(&world, BUILTIN_ECHO);
    worker_world_start(&world, WORKER_WORLD_WORKERS);
    worker_world_close(&world);
}

static void test_what_a_worker_that_never_ran_was_handed_is_reset(void **state)
{
    struct worker_world world;
    struct sessions_query *query =
        sessions_query_create(&(struct sessions_filter){.phase = -1}, 1, WORKER_WORLD_WORKERS);
    struct message handed = {.kind = MESSAGE_SESSION, .client = {.family = AF_INET}};
    int pair[2];

    worker_world_configure(&world, BUILTIN_ECHO);
    worker_world_start(&world, WORKER_WORLD_WORKERS);
    tcp_pair(pair);
    handed.fd = pair[1];
    handed.listener = &world.relay.listener;
    handed.accepted_us = clock_now_us();
    snapshot_ref(&world.relay.snapshot);
    world.shared.sessions++;
    world.relay.listener.sessions++;
    world.workers[1]->sessions++;
    worker_world_post(&world, 1, handed);
    sessions_query_ref(query);
    worker_world_post(&world, 1, (struct message){.kind = MESSAGE_SESSIONS, .query = query});
    worker_destroy(world.workers[1]);
    log_ring_destroy(world.rings[1]);
    assert_int_equal(end_of(pair[0]), PEER_RESET);
    assert_int_equal(world.shared.sessions, 0);
    assert_int_equal(query->references, 1);
    sessions_query_unref(query);
    peer_close(&pair[0]);
    world.shared.worker_count = 1;
    worker_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_serve_many_clients_and_give_every_place_back),
        cmocka_unit_test(test_sessions_are_shared_evenly_when_one_socket_gets_all_connections),
        cmocka_unit_test(test_a_killed_session_is_reset_and_the_others_live_on),
        cmocka_unit_test(test_what_a_tls_profile_has_loaded_is_taken_over),
        cmocka_unit_test(test_questions_are_answered_while_sessions_come_and_go),
        cmocka_unit_test(test_a_drain_closes_the_port_and_leaves_the_sessions),
        cmocka_unit_test(test_a_drain_serves_whoever_was_queued_before),
        cmocka_unit_test(test_a_cut_takes_idle_sessions_first_and_no_more_than_asked_for),
        cmocka_unit_test(test_a_stop_resets_all_sessions_as_drained),
        cmocka_unit_test(test_workers_stop_in_the_middle_of_traffic),
        cmocka_unit_test(test_threads_have_names_and_leave_signals_to_others),
        cmocka_unit_test(test_a_running_worker_shows_its_beat),
        cmocka_unit_test(test_without_descriptors_no_worker_is_made_and_the_error_says_so),
        cmocka_unit_test(test_a_worker_that_never_ran_may_be_destroyed),
        cmocka_unit_test(test_what_a_worker_that_never_ran_was_handed_is_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
