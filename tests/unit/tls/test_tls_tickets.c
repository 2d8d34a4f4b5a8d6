/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_tickets.c - keys that change by the clock, keys of files, and sealing with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/tls_fixture.h"
#include "tls/tls_tickets.h"

#define HOUR_MS ((int64_t)3600 * 1000)

static bool same_key(const struct tls_ticket_key *a, const struct tls_ticket_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static void test_two_workers_make_the_same_keys_without_talking(void **state)
{
    struct tls_tickets one;
    struct tls_tickets other;

    (void)state;
    assert_true(tls_tickets_init_random(&one, HOUR_MS, 1000));
    other = one;
    /* One looks each hour, the other once after a week. */
    for (int hour = 1; hour <= 7 * 24; hour++)
        tls_tickets_turn(&one, 1000 + hour * HOUR_MS);
    tls_tickets_turn(&other, 1000 + 7 * 24 * HOUR_MS);
    assert_int_equal(one.count, 2);
    assert_int_equal(other.count, 2);
    assert_true(same_key(&one.keys[0], &other.keys[0]));
    assert_true(same_key(&one.keys[1], &other.keys[1]));
    assert_false(same_key(&one.keys[0], &one.keys[1]));
    assert_int_equal(one.next_rotation_ms, other.next_rotation_ms);
}

static void test_a_key_decrypts_as_long_as_its_tickets_live(void **state)
{
    struct tls_tickets tickets;
    struct tls_ticket_key first;

    (void)state;
    assert_true(tls_tickets_init_random(&tickets, HOUR_MS, 0));
    first = tickets.keys[0];
    assert_int_equal(tls_tickets_due_ms(&tickets), HOUR_MS);
    tls_tickets_turn(&tickets, HOUR_MS - 1);
    assert_true(same_key(&tickets.keys[0], &first));
    tls_tickets_turn(&tickets, HOUR_MS);
    assert_false(same_key(&tickets.keys[0], &first));
    assert_ptr_equal(tls_tickets_find(&tickets, first.name), &tickets.keys[1]);
    tls_tickets_turn(&tickets, 2 * HOUR_MS - 1);
    assert_non_null(tls_tickets_find(&tickets, first.name));
    tls_tickets_turn(&tickets, 2 * HOUR_MS);
    assert_null(tls_tickets_find(&tickets, first.name));
}

static void test_keys_change_after_twelve_hours_at_the_latest(void **state)
{
    struct tls_tickets tickets;
    struct tls_ticket_key first;

    (void)state;
    assert_true(tls_tickets_init_random(&tickets, 7 * 24 * HOUR_MS, 0));
    first = tickets.keys[0];
    assert_int_equal(tls_tickets_due_ms(&tickets), TLS_TICKET_ROTATION_MAX_MS);
    tls_tickets_turn(&tickets, 6 * 24 * HOUR_MS);
    assert_non_null(tls_tickets_find(&tickets, first.name));
    tls_tickets_turn(&tickets, 8 * 24 * HOUR_MS);
    assert_null(tls_tickets_find(&tickets, first.name));
    assert_true(tickets.count <= TLS_TICKET_KEYS_MAX);

    /* A ticket may live shorter than any change of keys is worth. */
    assert_true(tls_tickets_init_random(&tickets, 1000, 0));
    assert_true(tls_tickets_due_ms(&tickets) >= 60000);
}

/* Whoever reads the memory of a process must not open what was sealed before. */
static void test_an_earlier_key_is_not_left_in_memory(void **state)
{
    struct tls_tickets tickets;
    struct tls_ticket_key first;
    const unsigned char *bytes = (const unsigned char *)&tickets;

    (void)state;
    assert_true(tls_tickets_init_random(&tickets, HOUR_MS, 0));
    first = tickets.keys[0];
    tls_tickets_turn(&tickets, 5 * HOUR_MS);
    for (size_t i = 0; i + sizeof(first.cipher_key) <= sizeof(tickets); i++)
        assert_true(memcmp(bytes + i, first.cipher_key, sizeof(first.cipher_key)) != 0);
    tls_tickets_wipe(&tickets);
    for (size_t i = 0; i < sizeof(tickets); i++)
        assert_int_equal(bytes[i], 0);
}

static const char *key_file(const char *name, unsigned char first, size_t size)
{
    unsigned char bytes[80];
    const char *path = fixture_path(fixture_here, name);

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(first + i);
    fixture_write(path, bytes, size);
    return path;
}

static void expect_refusal(const char *path, const char *words)
{
    const char *const paths[] = {path, NULL};
    struct tls_tickets tickets;
    struct error error = {0};

    assert_false(tls_tickets_read(&tickets, paths, &error));
    assert_int_equal(tickets.count, 0);
    assert_non_null(strstr(error.text, path));
    if (strstr(error.text, words) == NULL)
        fail_msg("'%s' lacks '%s'", error.text, words);
}

/* The order of the parts is nginx's and HAProxy's: 80 bytes hold the HMAC key first, 48 bytes the
   AES key. */
static void test_files_of_both_sizes_hold_their_parts_where_others_put_them(void **state)
{
    const char *paths[] = {key_file("large", 0, 80), key_file("small", 100, 48), NULL};
    struct tls_tickets tickets;
    struct error error = {0};

    (void)state;
    assert_true(tls_tickets_read(&tickets, paths, &error));
    assert_int_equal(tickets.count, 2);
    assert_int_equal(tickets.keys[0].key_size, 32);
    assert_int_equal(tickets.keys[0].name[0], 0);
    assert_int_equal(tickets.keys[0].mac_key[0], 16);
    assert_int_equal(tickets.keys[0].cipher_key[0], 48);
    assert_int_equal(tickets.keys[1].key_size, 16);
    assert_int_equal(tickets.keys[1].name[0], 100);
    assert_int_equal(tickets.keys[1].cipher_key[0], 116);
    assert_int_equal(tickets.keys[1].mac_key[0], 132);
    assert_int_equal(tls_tickets_due_ms(&tickets), INT64_MAX);
    tls_tickets_turn(&tickets, INT64_MAX);
    assert_int_equal(tickets.keys[0].name[0], 0);
}

static void test_a_file_may_hold_lines_of_base64(void **state)
{
    unsigned char bytes[80] = {7};
    unsigned char text[400];
    int length = EVP_EncodeBlock(text, bytes, 80);
    const char *path = fixture_path(fixture_here, "lines");
    const char *const paths[] = {path, NULL};
    struct tls_tickets tickets;
    struct error error = {0};

    (void)state;
    text[length++] = '\n';
    bytes[0] = 8;
    length += EVP_EncodeBlock(text + length, bytes, 48);
    text[length++] = '\r';
    text[length++] = '\n';
    fixture_write(path, text, (size_t)length);
    assert_true(tls_tickets_read(&tickets, paths, &error));
    assert_int_equal(tickets.count, 2);
    assert_int_equal(tickets.keys[0].name[0], 7);
    assert_int_equal(tickets.keys[0].key_size, 32);
    assert_int_equal(tickets.keys[1].name[0], 8);
    assert_int_equal(tickets.keys[1].key_size, 16);
}

static void test_other_files_are_refused_by_name(void **state)
{
    const char *path = key_file("odd", 0, 79);
    unsigned char letters[64];
    const char *twice[] = {key_file("same", 0, 80), fixture_path(fixture_here, "same"), NULL};
    struct tls_tickets tickets;
    struct error error = {0};

    (void)state;
    expect_refusal(path, "neither 48 or 80 bytes");
    memset(letters, '!', sizeof(letters));
    fixture_write(path, letters, sizeof(letters));
    expect_refusal(path, "not base64");
    fixture_write(path, "\n\n", 2);
    expect_refusal(path, "holds no ticket key");
    expect_refusal(fixture_path(fixture_here, "absent"), "No such file");
    assert_false(tls_tickets_read(&tickets, twice, &error));
    assert_non_null(strstr(error.text, "there twice"));
}

struct sealing {
    unsigned char name[TLS_TICKET_NAME_BYTES];
    unsigned char iv[EVP_MAX_IV_LENGTH];
    int result;
    unsigned char mac[32]; /* of a fixed text, to see which key it was */
};

static struct sealing use_box(struct tls_ticket_box *box, const struct sealing *sealed,
                              int64_t now_ms)
{
    struct sealing sealing = {.result = 0};
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
    size_t size;

    if (sealed != NULL)
        sealing = *sealed;
    sealing.result =
        tls_ticket_box_use(box, sealing.name, sealing.iv, cipher, mac, sealed == NULL, now_ms);
    if (sealing.result > 0) {
        assert_int_equal(EVP_MAC_init(mac, NULL, 0, NULL), 1);
        assert_int_equal(EVP_MAC_update(mac, (const unsigned char *)"text", 4), 1);
        assert_int_equal(EVP_MAC_final(mac, sealing.mac, &size, sizeof(sealing.mac)), 1);
        assert_int_equal(EVP_CIPHER_CTX_get_key_length(cipher) % 16, 0);
    }
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(hmac);
    EVP_CIPHER_CTX_free(cipher);
    return sealing;
}

static void test_what_one_worker_seals_another_opens(void **state)
{
    struct tls_tickets tickets;
    struct tls_ticket_box one;
    struct tls_ticket_box other;
    struct sealing sealed;
    struct sealing opened;

    (void)state;
    assert_true(tls_tickets_init_random(&tickets, HOUR_MS, 0));
    assert_true(tls_ticket_box_init(&one, &tickets));
    assert_true(tls_ticket_box_init(&other, &tickets));
    sealed = use_box(&one, NULL, 5);
    assert_int_equal(sealed.result, 1);
    opened = use_box(&other, &sealed, 5);
    assert_int_equal(opened.result, 1);
    assert_memory_equal(opened.mac, sealed.mac, sizeof(sealed.mac));
    /* An older key opens and asks for a new ticket; a forgotten one opens nothing. */
    assert_int_equal(use_box(&other, &sealed, HOUR_MS).result, 2);
    assert_int_equal(use_box(&other, &sealed, 2 * HOUR_MS).result, 0);
    tls_ticket_box_release(&one);
    tls_ticket_box_release(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_workers_make_the_same_keys_without_talking),
        cmocka_unit_test(test_a_key_decrypts_as_long_as_its_tickets_live),
        cmocka_unit_test(test_keys_change_after_twelve_hours_at_the_latest),
        cmocka_unit_test(test_an_earlier_key_is_not_left_in_memory),
        cmocka_unit_test(test_files_of_both_sizes_hold_their_parts_where_others_put_them),
        cmocka_unit_test(test_a_file_may_hold_lines_of_base64),
        cmocka_unit_test(test_other_files_are_refused_by_name),
        cmocka_unit_test(test_what_one_worker_seals_another_opens),
    };

    return cmocka_run_group_tests(tests, fixture_enter_folder, fixture_leave_folder);
}
