/* SPDX-License-Identifier: Apache-2.0 */
/* test_sni_source.c - the file of an sni_map that changes: taken whole, or told once and not taken.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file_stamp.h"
#include "config/sni_source.h"

static char folder[64];
static char path[96];
static struct pool pools[3];
static struct error error;

/* Another inode, as `mv` makes one. */
static void put(const char *text)
{
    char other[112];
    FILE *file;

    snprintf(other, sizeof(other), "%s.new", path);
    file = fopen(other, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
    assert_int_equal(rename(other, path), 0);
}

static struct sni_source *open_source(const char *text)
{
    const struct origin nowhere = {.file = NULL};
    struct source_files files = {0};
    struct diagnostics diagnostics = {0};
    struct sni_source *source;
    struct sni_map *map;

    put(text);
    map = sni_map_read(path, &nowhere, &files, &diagnostics);
    assert_non_null(map);
    source = sni_source_create(path, map);
    assert_non_null(source);
    sni_map_destroy(map);
    source_files_release(&files);
    diagnostics_release(&diagnostics);
    return source;
}

static enum sni_look look(struct sni_source *source, bool force, struct name_map **fresh)
{
    error.text[0] = '\0';
    return sni_source_look(source, pools, 3, force, fresh, &error);
}

static void test_an_unchanged_file_is_not_read(void **state)
{
    struct sni_source *source = open_source("a.test one\n");
    struct name_map *fresh;

    (void)state;
    assert_int_equal(source->name_count, 1);
    assert_int_equal(look(source, false, &fresh), SNI_UNCHANGED);
    assert_null(fresh);
    assert_int_equal(look(source, true, &fresh), SNI_CHANGED); /* who asks gets it read */
    name_map_destroy(fresh);
    assert_int_equal(source->succeeded, 1);
    sni_source_destroy(source);
}

static void test_a_changed_file_brings_its_names(void **state)
{
    struct sni_source *source = open_source("a.test one\n");
    struct name_map *fresh;

    (void)state;
    put("# changed\nb.test two\n*.b.test three\n");
    assert_int_equal(look(source, false, &fresh), SNI_CHANGED);
    assert_int_equal(source->name_count, 2);
    assert_null(name_map_exact(fresh, "a.test"));
    assert_ptr_equal(name_map_exact(fresh, "b.test"), &pools[1]);
    assert_ptr_equal(name_map_wildcard(fresh, "x.b.test"), &pools[2]);
    name_map_destroy(fresh);
    assert_int_equal(look(source, false, &fresh), SNI_UNCHANGED);
    put("");
    assert_int_equal(look(source, false, &fresh), SNI_CHANGED);
    assert_int_equal(name_map_count(fresh), 0);
    name_map_destroy(fresh);
    sni_source_destroy(source);
}

static void test_a_broken_file_is_told_once_and_not_taken(void **state)
{
    static const char *const wrong[][2] = {
        {"b.test nowhere\n", ":1: there is no [pool nowhere]"},
        {"b.test\n", ":1"},
        {"b.test one two\n", "one word too many"},
        {"b.test one\nB.test two\n", "'b.test' is there twice"},
        {"bad..name one\nworse..name one\n", "(and 1 more)"},
    };
    struct sni_source *source = open_source("a.test one\n");
    struct name_map *fresh;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        put(wrong[i][0]);
        assert_int_equal(look(source, false, &fresh), SNI_BROKEN);
        assert_null(fresh);
        assert_non_null(strstr(error.text, path));
        if (strstr(error.text, wrong[i][1]) == NULL)
            fail_msg("no '%s' in: %s", wrong[i][1], error.text);
        assert_int_equal(look(source, false, &fresh), SNI_UNCHANGED);
        put(wrong[i][0]); /* another file with the same fault */
        assert_int_equal(look(source, false, &fresh), SNI_UNCHANGED);
        assert_int_equal(look(source, true, &fresh), SNI_BROKEN);
        assert_int_equal(source->name_count, 1);
    }
    assert_int_equal(source->failed, 2 * ARRAY_LENGTH(wrong));
    unlink(path);
    assert_int_equal(look(source, false, &fresh), SNI_BROKEN);
    assert_int_equal(look(source, false, &fresh), SNI_UNCHANGED);
    put("a.test two\n");
    assert_int_equal(look(source, false, &fresh), SNI_CHANGED);
    name_map_destroy(fresh);
    /* Broken in the same way again, it is told again. */
    unlink(path);
    assert_int_equal(look(source, false, &fresh), SNI_BROKEN);
    sni_source_destroy(source);
    sni_source_destroy(NULL);
}

static void test_what_could_not_be_read_is_read_later(void **state)
{
    struct sni_source *source = open_source("a.test one\n");
    struct rlimit before;
    struct rlimit none;
    struct name_map *fresh;

    (void)state;
    put("a.test two\n");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(look(source, false, &fresh), SNI_BROKEN);
    assert_int_equal(look(source, false, &fresh), SNI_UNCHANGED); /* told already */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(look(source, false, &fresh), SNI_CHANGED);
    assert_ptr_equal(name_map_exact(fresh, "a.test"), &pools[1]);
    name_map_destroy(fresh);
    sni_source_destroy(source);
}

/* A broken map is read once: while it stays as it is, a look asks for its stamp alone. */
static void test_a_broken_file_is_read_once(void **state)
{
    static const char *const wrong[] = {"b.test nowhere\n", "b.test\n"};
    struct sni_source *source = open_source("a.test one\n");
    struct name_map *fresh;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        uint64_t stamp = source->stamp;

        put(wrong[i]);
        assert_int_equal(look(source, false, &fresh), SNI_BROKEN);
        assert_int_not_equal(source->stamp, stamp);
        assert_int_equal(source->stamp, file_stamp(0, path));
        /* It would be told anew if it was read. */
        free(source->complaint);
        source->complaint = NULL;
        assert_int_equal(look(source, false, &fresh), SNI_UNCHANGED);
    }
    assert_int_equal(source->failed, ARRAY_LENGTH(wrong));
    put("a.test two\n");
    assert_int_equal(look(source, false, &fresh), SNI_CHANGED);
    name_map_destroy(fresh);
    sni_source_destroy(source);
}

static int set_up(void **state)
{
    static char *const names[] = {"one", "two", "three"};

    (void)state;
    strcpy(folder, "/tmp/culvert-sni-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/names.map", folder);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        pools[i].name = names[i];
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    rmdir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_unchanged_file_is_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_changed_file_brings_its_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_broken_file_is_told_once_and_not_taken, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_broken_file_is_read_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_could_not_be_read_is_read_later, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
