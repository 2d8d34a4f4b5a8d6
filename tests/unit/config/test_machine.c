/* SPDX-License-Identifier: Apache-2.0 */
/* test_machine.c - limits of control groups, read from a folder that stands for the root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <sched.h>

#include "config/fixture.h"
#include "config/machine.h"

static void make_folders(const char *path)
{
    char copy[256];

    snprintf(copy, sizeof(copy), "%s", path);
    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(copy, 0700);
        *slash = '/';
    }
}

static void put(const char *root, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s%s", root, name);
    make_folders(path);
    write_file(path, text);
}

static int allowed(void)
{
    cpu_set_t set;

    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    return CPU_COUNT(&set);
}

static void test_without_groups_affinity_and_memory_count(void **state)
{
    (void)state;
    assert_int_equal(machine_processors("nothing"), allowed());
    assert_int_equal(machine_memory("nothing"),
                     (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE));
}

static void test_version_2_quota_is_rounded_up(void **state)
{
    (void)state;
    put("v2", "/proc/self/cgroup", "0::/a/b\n");
    put("v2", "/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
    assert_int_equal(machine_processors("v2"), 1);
    put("v2", "/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_int_equal(machine_processors("v2"), allowed());
    put("v2", "/sys/fs/cgroup/a/b/cpu.max", "100001 100000\n");
    assert_int_equal(machine_processors("v2"), allowed() < 2 ? allowed() : 2);
}

static void test_a_group_above_limits_too(void **state)
{
    (void)state;
    put("up", "/proc/self/cgroup", "0::/a/b\n");
    put("up", "/sys/fs/cgroup/a/b/memory.max", "max\n");
    put("up", "/sys/fs/cgroup/a/memory.max", "104857600\n");
    assert_int_equal(machine_memory("up"), 104857600);
    put("up", "/sys/fs/cgroup/a/b/memory.max", "52428800\n");
    assert_int_equal(machine_memory("up"), 52428800);
    put("up", "/sys/fs/cgroup/memory.max", "1048576\n");
    assert_int_equal(machine_memory("up"), 1048576);
}

static void test_in_a_container_the_root_is_ours(void **state)
{
    (void)state;
    put("box", "/proc/self/cgroup", "0::/not/visible/here\n");
    put("box", "/sys/fs/cgroup/memory.max", "2097152\n");
    put("box", "/sys/fs/cgroup/cpu.max", "100000 100000\n");
    assert_int_equal(machine_memory("box"), 2097152);
    assert_int_equal(machine_processors("box"), 1);
}

static void test_version_1_controllers(void **state)
{
    (void)state;
    put("v1", "/proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/y\n0::/\n");
    put("v1", "/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "4194304\n");
    put("v1", "/sys/fs/cgroup/cpu/y/cpu.cfs_quota_us", "20000\n");
    put("v1", "/sys/fs/cgroup/cpu/y/cpu.cfs_period_us", "100000\n");
    assert_int_equal(machine_memory("v1"), 4194304);
    assert_int_equal(machine_processors("v1"), 1);
    put("v1", "/sys/fs/cgroup/cpu/y/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(machine_processors("v1"), allowed());
}

static void test_nonsense_is_no_limit(void **state)
{
    static const char *const wrong[] = {
        "", "0 0\n", "x 1\n", "1\n", "-5 100000\n", "1 0\n", "99999999999999999999999 1\n"};

    (void)state;
    put("odd", "/proc/self/cgroup", "nonsense\n:\n::\n0::/a\n");
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        put("odd", "/sys/fs/cgroup/a/cpu.max", wrong[i]);
        assert_int_equal(machine_processors("odd"), allowed());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_groups_affinity_and_memory_count),
        cmocka_unit_test(test_version_2_quota_is_rounded_up),
        cmocka_unit_test(test_a_group_above_limits_too),
        cmocka_unit_test(test_in_a_container_the_root_is_ours),
        cmocka_unit_test(test_version_1_controllers),
        cmocka_unit_test(test_nonsense_is_no_limit),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
