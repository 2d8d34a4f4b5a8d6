/* SPDX-License-Identifier: Apache-2.0 */
/* test_mailbox.c - messages arrive once, in order, from any thread, and none is lost at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "worker/mailbox.h"

#define POSTERS 2
#define MESSAGES_PER_POSTER 5000

static bool has_no_memory;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    return has_no_memory ? NULL : __real_malloc(size);
}

struct owner {
    struct event_base *base;
    struct mailbox mailbox;
    unsigned received;
    uint64_t next_id[POSTERS]; /* each poster's messages must come in order */
    unsigned expected;
    bool is_ordered;
    struct message last;
};

static void receive(void *argument, struct message *message)
{
    struct owner *owner = argument;
    unsigned poster = (unsigned)message->count;

    owner->is_ordered = owner->is_ordered && message->id == owner->next_id[poster];
    owner->next_id[poster] = message->id + 1;
    owner->received++;
    owner->last = *message;
    if (owner->received == owner->expected)
        event_base_loopbreak(owner->base);
}

static void owner_open(struct owner *owner, unsigned expected)
{
    struct event_config *config = event_config_new();

    memset(owner, 0, sizeof(*owner));
    owner->expected = expected;
    owner->is_ordered = true;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    owner->base = event_base_new_with_config(config);
    event_config_free(config);
    assert_non_null(owner->base);
    assert_true(mailbox_open(&owner->mailbox, owner->base, receive, owner));
}

static void owner_close(struct owner *owner)
{
    mailbox_close(&owner->mailbox);
    event_base_free(owner->base);
}

/* Runs the loop until all expected messages are there, for 20 s at most. */
static void owner_run(struct owner *owner)
{
    const struct timeval limit = {20, 0};

    event_base_loopexit(owner->base, &limit);
    event_base_dispatch(owner->base);
}

static void test_mailbox_delivers_what_was_posted_before_the_loop_ran(void **state)
{
    struct owner owner;
    struct message message = {.kind = MESSAGE_KILL, .id = 0, .fd = -1};

    owner_open(&owner, 3);
    for (message.id = 0; message.id < 3; message.id++)
        assert_true(mailbox_post(&owner.mailbox, &message));
    assert_int_equal(owner.received, 0);
    owner_run(&owner);
    assert_int_equal(owner.received, 3);
    assert_true(owner.is_ordered);
    assert_int_equal(owner.last.kind, MESSAGE_KILL);
    assert_int_equal(owner.last.id, 2);
    owner_close(&owner);
}

struct poster {
    struct mailbox *mailbox;
    unsigned number;
    bool has_failed;
};

static void *post_many(void *argument)
{
    struct poster *poster = argument;

    for (uint64_t id = 0; id < MESSAGES_PER_POSTER; id++) {
        struct message message = {
            .kind = MESSAGE_KILL, .count = (int)poster->number, .id = id, .fd = -1};

        if (!mailbox_post(poster->mailbox, &message))
            poster->has_failed = true;
    }
    return NULL;
}

/* However often it is posted before it is delivered; afterwards a further one is news. */
static void test_calls_are_one_message_until_it_is_delivered(void **state)
{
    const struct message calls = {.kind = MESSAGE_CALLS, .fd = -1};
    struct owner owner;

    owner_open(&owner, 1);
    for (int i = 0; i < 3; i++)
        assert_true(mailbox_post(&owner.mailbox, &calls));
    owner_run(&owner);
    assert_int_equal(owner.received, 1);
    assert_int_equal(owner.last.kind, MESSAGE_CALLS);
    owner.expected = 2;
    assert_true(mailbox_post(&owner.mailbox, &calls));
    owner_run(&owner);
    assert_int_equal(owner.received, 2);
    owner_close(&owner);
    assert_false(mailbox_post(&owner.mailbox, &calls));
}

static void test_mailbox_loses_nothing_from_two_threads(void **state)
{
    struct owner owner;
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];

    owner_open(&owner, POSTERS * MESSAGES_PER_POSTER);
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.mailbox = &owner.mailbox, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    owner_run(&owner);
    for (unsigned i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(posters[i].has_failed);
    }
    assert_int_equal(owner.received, POSTERS * MESSAGES_PER_POSTER);
    assert_true(owner.is_ordered);
    owner_close(&owner);
}

static void *post_until_closed(void *argument)
{
    struct poster *poster = argument;
    struct message message = {.kind = MESSAGE_KILL, .fd = -1};

    while (mailbox_post(poster->mailbox, &message))
        message.id++;
    poster->number = (unsigned)message.id;
    return NULL;
}

static void test_mailbox_close_hands_over_what_is_left_while_another_thread_posts(void **state)
{
    struct owner owner;
    struct poster poster = {0};
    pthread_t thread;

    owner_open(&owner, 1000);
    poster.mailbox = &owner.mailbox;
    assert_int_equal(pthread_create(&thread, NULL, post_until_closed, &poster), 0);
    owner_run(&owner);
    mailbox_close(&owner.mailbox);
    pthread_join(thread, NULL);
    assert_true(owner.received >= 1000);
    assert_int_equal(owner.received, poster.number);
    assert_true(owner.is_ordered);
    owner_close(&owner);
}

static void test_mailbox_refuses_after_close(void **state)
{
    struct owner owner;
    struct message message = {.kind = MESSAGE_DRAIN, .fd = -1};

    owner_open(&owner, 1);
    assert_true(mailbox_post(&owner.mailbox, &message));
    mailbox_close(&owner.mailbox);
    assert_int_equal(owner.received, 1);
    message.id = 1;
    assert_false(mailbox_post(&owner.mailbox, &message));
    assert_int_equal(owner.received, 1);
    owner_close(&owner);
}

static void test_mailbox_takes_a_stop_without_memory(void **state)
{
    struct owner owner;
    struct message stop = {.kind = MESSAGE_STOP, .fd = -1};
    struct message other = {.kind = MESSAGE_KILL, .fd = -1};

    owner_open(&owner, 1);
    has_no_memory = true;
    assert_false(mailbox_post(&owner.mailbox, &other));
    assert_true(mailbox_post(&owner.mailbox, &stop));
    assert_true(mailbox_post(&owner.mailbox, &stop)); /* it comes once */
    has_no_memory = false;
    owner_run(&owner);
    assert_int_equal(owner.received, 1);
    assert_int_equal(owner.last.kind, MESSAGE_STOP);
    owner_close(&owner);
    assert_int_equal(owner.received, 1);
}

static void test_mailbox_close_of_an_empty_object_does_nothing(void **state)
{
    struct mailbox mailbox;

    memset(&mailbox, 0, sizeof(mailbox));
    mailbox_close(&mailbox);
    assert_false(mailbox_post(&mailbox, &(struct message){.kind = MESSAGE_STOP}));
}

/* What is made beforehand needs none, and the order to drain has its place. */
static void test_mailbox_takes_what_was_made_and_a_drain_without_memory(void **state)
{
    struct owner owner;
    struct message *made = mailbox_make(&(struct message){.kind = MESSAGE_KILL, .id = 0});

    (void)state;
    owner_open(&owner, 2);
    assert_non_null(made);
    has_no_memory = true;
    assert_null(mailbox_make(&(struct message){.kind = MESSAGE_KILL}));
    assert_true(mailbox_post_made(&owner.mailbox, made));
    assert_true(mailbox_post(&owner.mailbox, &(struct message){.kind = MESSAGE_DRAIN, .id = 1}));
    has_no_memory = false;
    event_base_loop(owner.base, EVLOOP_NONBLOCK);
    assert_int_equal(owner.received, 2);
    assert_true(owner.is_ordered);
    assert_int_equal(owner.last.kind, MESSAGE_DRAIN);
    mailbox_close(&owner.mailbox);
    event_base_free(owner.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mailbox_delivers_what_was_posted_before_the_loop_ran),
        cmocka_unit_test(test_calls_are_one_message_until_it_is_delivered),
        cmocka_unit_test(test_mailbox_loses_nothing_from_two_threads),
        cmocka_unit_test(test_mailbox_close_hands_over_what_is_left_while_another_thread_posts),
        cmocka_unit_test(test_mailbox_refuses_after_close),
        cmocka_unit_test(test_mailbox_takes_what_was_made_and_a_drain_without_memory),
        cmocka_unit_test(test_mailbox_takes_a_stop_without_memory),
        cmocka_unit_test(test_mailbox_close_of_an_empty_object_does_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
