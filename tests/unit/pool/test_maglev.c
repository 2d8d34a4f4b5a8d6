/* SPDX-License-Identifier: Apache-2.0 */
/* test_maglev.c - the table, its published vector, and what moves when a server goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "core/text.h"
#include "pool/maglev.h"

#define SIZE 65537
#define MOST_ENTRIES 128

/* Those of docs/reference/maglev.md. */
static const struct maglev_entry published[] = {
    {"app-1", "10.0.0.1:8080", 1},      {"app-2", "10.0.0.2:8080", 1},
    {"app-3", "10.0.0.3:8080", 2},      {"app-4", "10.0.0.4:8080", 3},
    {"cache", "[2001:db8::5]:6379", 1}, {"db", "10.0.1.1:5432", 1},
    {"db", "10.0.1.2:5432", 1},         {"edge", "unix:/run/edge.sock", 4},
    {"10.0.2.1:80", "10.0.2.1:80", 1},  {"zeta", "192.0.2.200:443", 10},
};

static char names[MOST_ENTRIES][32];
static char addrs[MOST_ENTRIES][32];
static struct maglev_entry entries[MOST_ENTRIES];
static struct maglev maglev;
static struct maglev other;

static int free_tables(void **state)
{
    (void)state;
    maglev_release(&maglev);
    maglev_release(&other);
    return 0;
}

/* `count` servers of these weights (NULL: all 1). */
static void make_entries(unsigned count, const unsigned *weights)
{
    for (unsigned i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "server-%u", i);
        snprintf(addrs[i], sizeof(addrs[i]), "10.1.%u.%u:80", i / 200, i % 200);
        entries[i] = (struct maglev_entry){names[i], addrs[i], weights == NULL ? 1 : weights[i]};
    }
}

static void count_slots(const struct maglev *table, unsigned *counts)
{
    memset(counts, 0, table->count * sizeof(*counts));
    for (unsigned i = 0; i < table->size; i++) {
        assert_true(table->slots[i] < table->count);
        counts[table->slots[i]]++;
    }
}

static uint64_t hash_of(unsigned key)
{
    return maglev_hash(&key, sizeof(key));
}

/* The first of the key's list that is not `down`. */
static int first_up(const struct maglev *table, uint64_t hash, const bool *down)
{
    struct maglev_walk walk = maglev_walk_begin(table, hash);
    int index;

    do
        index = maglev_walk_next(&walk);
    while (index >= 0 && down[index]);
    return index;
}

static void test_primes_are_told_from_other_numbers(void **state)
{
    (void)state;
    assert_false(maglev_is_prime(0));
    assert_false(maglev_is_prime(1));
    assert_true(maglev_is_prime(2));
    assert_false(maglev_is_prime(4));
    assert_true(maglev_is_prime(65537));
    assert_false(maglev_is_prime(65535));
    assert_false(maglev_is_prime(65521u * 65521u));
    assert_true(maglev_is_prime(4294967291u));
    assert_true(maglev_is_prime(MAGLEV_SIZE_LEAST));
    assert_true(maglev_is_prime(MAGLEV_SIZE_MOST));
    assert_int_equal(maglev_next_prime(65536), 65537);
    assert_int_equal(maglev_next_prime(65537), 65537);
    assert_int_equal(maglev_next_prime(65538), 65539);
}

static void test_order_of_the_file_is_without_effect(void **state)
{
    struct maglev_entry shuffled[ARRAY_LENGTH(published)];
    const unsigned count = ARRAY_LENGTH(published);

    (void)state;
    for (unsigned i = 0; i < count; i++)
        shuffled[i] = published[(i * 7 + 3) % count];
    assert_true(maglev_init(&maglev, published, count, SIZE));
    assert_true(maglev_init(&other, shuffled, count, SIZE));
    for (unsigned i = 0; i < SIZE; i++)
        assert_ptr_equal(published[maglev.slots[i]].addr, shuffled[other.slots[i]].addr);
    for (unsigned i = 0; i < count; i++)
        assert_ptr_equal(published[maglev.order[i]].addr, shuffled[other.order[i]].addr);
}

static void test_slots_are_shared_to_within_one(void **state)
{
    unsigned counts[MOST_ENTRIES];

    (void)state;
    make_entries(100, NULL);
    assert_true(maglev_init(&maglev, entries, 100, SIZE));
    count_slots(&maglev, counts);
    for (unsigned i = 0; i < 100; i++)
        assert_in_range(counts[i], SIZE / 100, SIZE / 100 + 1);
}

static void test_weights_are_kept_to_within_one_slot(void **state)
{
    const unsigned weights[] = {1, 2, 3, 10, 100, 256, 7, 7};
    unsigned counts[ARRAY_LENGTH(weights)];
    double sum = 0;

    (void)state;
    make_entries(ARRAY_LENGTH(weights), weights);
    assert_true(maglev_init(&maglev, entries, ARRAY_LENGTH(weights), SIZE));
    count_slots(&maglev, counts);
    for (unsigned i = 0; i < ARRAY_LENGTH(weights); i++)
        sum += weights[i];
    for (unsigned i = 0; i < ARRAY_LENGTH(weights); i++) {
        double share = SIZE * weights[i] / sum;

        /* One slot more or less, and the last round's rest on top. */
        assert_true(counts[i] > share - 2 && counts[i] < share + 2);
    }
}

static void test_only_proportions_count(void **state)
{
    (void)state;
    make_entries(3, (const unsigned[]){10, 20, 30});
    assert_true(maglev_init(&maglev, entries, 3, SIZE));
    make_entries(3, (const unsigned[]){1, 2, 3});
    assert_true(maglev_init(&other, entries, 3, SIZE));
    assert_memory_equal(maglev.slots, other.slots, SIZE * sizeof(*maglev.slots));
}

static void test_every_server_has_a_slot(void **state)
{
    unsigned weights[MOST_ENTRIES];
    unsigned counts[MOST_ENTRIES];

    (void)state;
    for (unsigned i = 0; i < MOST_ENTRIES; i++)
        weights[i] = i == MOST_ENTRIES - 1 ? 1 : 256;
    make_entries(MOST_ENTRIES, weights);
    assert_true(maglev_init(&maglev, entries, MOST_ENTRIES, 131));
    count_slots(&maglev, counts);
    for (unsigned i = 0; i < MOST_ENTRIES; i++)
        assert_true(counts[i] >= 1);
}

/* A server taken out of the configuration: its own slots move, and few others. */
static void test_a_removed_server_moves_little_else(void **state)
{
    const unsigned count = 10;

    (void)state;
    make_entries(count, NULL);
    assert_true(maglev_init(&maglev, entries, count, SIZE));
    for (unsigned gone = 0; gone < count; gone++) {
        unsigned moved = 0;

        make_entries(count, NULL);
        memmove(&entries[gone], &entries[gone + 1], (count - 1 - gone) * sizeof(*entries));
        assert_true(maglev_init(&other, entries, count - 1, SIZE));
        for (unsigned i = 0; i < SIZE; i++) {
            unsigned now = other.slots[i];

            moved += maglev.slots[i] != (now < gone ? now : now + 1);
        }
        maglev_release(&other);
        assert_true(moved >= SIZE / count);
        assert_true(moved <= SIZE / count + SIZE * 2 / 100);
    }
}

/* A server that is down is passed over: exactly its keys move, to all the others alike. */
static void test_only_keys_of_a_server_that_is_down_move(void **state)
{
    const unsigned count = 10;
    const unsigned keys = 20000;
    bool none[MOST_ENTRIES] = {false};
    bool down[MOST_ENTRIES] = {false};
    unsigned takers[MOST_ENTRIES] = {0};
    unsigned moved = 0;

    (void)state;
    make_entries(count, NULL);
    assert_true(maglev_init(&maglev, entries, count, SIZE));
    down[4] = true;
    for (unsigned key = 0; key < keys; key++) {
        int before = first_up(&maglev, hash_of(key), none);
        int after = first_up(&maglev, hash_of(key), down);

        assert_int_equal(before, maglev.slots[hash_of(key) % SIZE]);
        assert_int_not_equal(after, 4);
        if (before != 4) {
            assert_int_equal(after, before);
        } else {
            moved++;
            takers[after]++;
        }
    }
    assert_in_range(moved, keys / count - keys / 50, keys / count + keys / 50);
    for (unsigned i = 0; i < count; i++) {
        if (i != 4)
            assert_in_range(takers[i], moved / 9 / 2, moved / 9 * 2);
    }
}

static void test_a_walk_comes_to_every_server(void **state)
{
    const unsigned count = 100;
    bool none[MOST_ENTRIES] = {false};
    bool down[MOST_ENTRIES];

    (void)state;
    make_entries(count, NULL);
    assert_true(maglev_init(&maglev, entries, count, SIZE));
    for (unsigned key = 0; key < 200; key++) {
        /* Whichever is the last one: it is found, and nothing once it is down, too. */
        unsigned last = key % count;

        for (unsigned i = 0; i < count; i++)
            down[i] = i != last;
        assert_int_equal(first_up(&maglev, hash_of(key), down), last);
        down[last] = true;
        assert_int_equal(first_up(&maglev, hash_of(key), down), -1);
        assert_in_range(first_up(&maglev, hash_of(key), none), 0, count - 1);
    }
    /* Where the sum of two numbers would not fit. */
    for (unsigned i = 0; i < count; i++)
        down[i] = i != 7;
    assert_int_equal(first_up(&maglev, UINT64_MAX, down), 7);
    assert_int_equal(first_up(&maglev, 0, down), 7);
}

static void test_keys_of_one_slot_part_when_their_server_is_down(void **state)
{
    bool down[MOST_ENTRIES] = {false};
    int first = -1;
    bool is_spread = false;

    (void)state;
    make_entries(10, NULL);
    assert_true(maglev_init(&maglev, entries, 10, 11));
    down[maglev.slots[0]] = true;
    for (unsigned key = 0; key < 1000; key++) {
        if (hash_of(key) % 11 != 0)
            continue;
        int index = first_up(&maglev, hash_of(key), down);

        if (first == -1)
            first = index;
        is_spread |= index != first;
    }
    assert_true(is_spread);
}

static void test_one_server_has_all_slots(void **state)
{
    bool none[1] = {false};

    (void)state;
    make_entries(1, NULL);
    assert_true(maglev_init(&maglev, entries, 1, 4099));
    for (unsigned key = 0; key < 100; key++)
        assert_int_equal(first_up(&maglev, hash_of(key), none), 0);
}

/* ---- the published vector ------------------------------------------------------------------ */

/* The slots as bytes: each the number of its server in sorted order, two bytes, high first. */
static void append_digest(struct text *text, const struct maglev *table)
{
    unsigned char rank[MOST_ENTRIES];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char *bytes = malloc(2 * (size_t)table->size);
    unsigned size = 0;

    assert_non_null(bytes);
    for (unsigned i = 0; i < table->count; i++)
        rank[table->order[i]] = (unsigned char)i;
    for (unsigned i = 0; i < table->size; i++) {
        bytes[2 * i] = 0;
        bytes[2 * i + 1] = rank[table->slots[i]];
    }
    assert_true(EVP_Digest(bytes, 2 * (size_t)table->size, digest, &size, EVP_sha256(), NULL));
    free(bytes);
    for (unsigned i = 0; i < size; i++)
        text_append_format(text, "%02x", digest[i]);
}

/* The first three different servers of a key's list. */
static void append_key(struct text *text, const struct maglev *table, const unsigned char *key,
                       unsigned size)
{
    uint64_t hash = maglev_hash(key, size);
    struct maglev_walk walk = maglev_walk_begin(table, hash);
    bool seen[MOST_ENTRIES] = {false};

    for (unsigned i = 0; i < size; i++)
        text_append_format(text, "%02x", key[i]);
    text_append_format(text, "%s %016llx %u", size == 0 ? "-" : "", (unsigned long long)hash,
                       (unsigned)(hash % table->size));
    for (unsigned found = 0; found < 3;) {
        int index = maglev_walk_next(&walk);

        assert_true(index >= 0);
        if (seen[index])
            continue;
        seen[index] = true;
        found++;
        text_append_format(text, " %s=%s", published[index].name, published[index].addr);
    }
    text_append(text, "\n");
}

static void write_vector(struct text *text)
{
    assert_true(maglev_init(&maglev, published, ARRAY_LENGTH(published), SIZE));
    for (unsigned i = 0; i < maglev.count; i++) {
        const struct maglev_entry *entry = &published[maglev.order[i]];

        text_append_format(text, "server %u %s %s %u\n", i, entry->name, entry->addr,
                           entry->weight);
    }
    text_append(text, "sha256 ");
    append_digest(text, &maglev);
    text_append(text, "\n");
    for (unsigned i = 0; i < 20; i++) {
        const unsigned char source[] = {192, 0, 2, (unsigned char)i};
        const unsigned char with_port[] = {203, 0, 113, 9, 0xc0, (unsigned char)i};

        text_append(text, "key ");
        if (i < 10)
            append_key(text, &maglev, source, sizeof(source));
        else if (i < 19)
            append_key(text, &maglev, with_port, sizeof(with_port));
        else
            append_key(text, &maglev, (const unsigned char *)"", 0);
    }
}

static void test_published_vector_is_that_of_the_code(void **state)
{
    const char *root = getenv("CULVERT_SOURCE");
    static char path[4096];
    static char vector[8192];
    static char page[65536];
    struct text text = text_over(vector, sizeof(vector));
    FILE *file;
    size_t size;

    (void)state;
    write_vector(&text);
    if (root == NULL)
        skip(); /* meson sets it */
    snprintf(path, sizeof(path), "%s/docs/reference/maglev.md", root);
    file = fopen(path, "r");
    assert_non_null(file);
    size = fread(page, 1, sizeof(page) - 1, file);
    fclose(file);
    page[size] = '\0';
    if (strstr(page, vector) == NULL) {
        fprintf(stderr, "docs/reference/maglev.md should have:\n%s", vector);
        fail();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_primes_are_told_from_other_numbers),
        cmocka_unit_test_teardown(test_order_of_the_file_is_without_effect, free_tables),
        cmocka_unit_test_teardown(test_slots_are_shared_to_within_one, free_tables),
        cmocka_unit_test_teardown(test_weights_are_kept_to_within_one_slot, free_tables),
        cmocka_unit_test_teardown(test_only_proportions_count, free_tables),
        cmocka_unit_test_teardown(test_every_server_has_a_slot, free_tables),
        cmocka_unit_test_teardown(test_a_removed_server_moves_little_else, free_tables),
        cmocka_unit_test_teardown(test_only_keys_of_a_server_that_is_down_move, free_tables),
        cmocka_unit_test_teardown(test_a_walk_comes_to_every_server, free_tables),
        cmocka_unit_test_teardown(test_keys_of_one_slot_part_when_their_server_is_down,
                                  free_tables),
        cmocka_unit_test_teardown(test_one_server_has_all_slots, free_tables),
        cmocka_unit_test_teardown(test_published_vector_is_that_of_the_code, free_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
