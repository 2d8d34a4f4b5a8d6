/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_profiles.h - two TLS profiles for the fake process: `public` in both roles.
 *
 * Replaces what the API reads of a profile (ld's --wrap). Include after fake_process.h.
 */
#ifndef CULVERT_TESTS_ADMIN_FAKE_PROFILES_H
#define CULVERT_TESTS_ADMIN_FAKE_PROFILES_H

#include "tls/tls_profile.h"

struct tls_profile {
    enum tls_role role;
    const struct tls_certificate *certificates;
    size_t count;
    bool is_stale;
};

/* RSA and ECDSA of one name side by side, and another name. */
static const struct tls_certificate fake_certificates[] = {
    {"www.example.com", "rsa.pem", 2000000000},
    {"www.example.com", "ecdsa.pem", 1900000000},
    {"mail.example.com", "mail.pem", 1800000000},
};
static struct tls_profile fake_profiles[] = {
    {TLS_SERVER, fake_certificates, 3, true},
    {TLS_CLIENT, fake_certificates, 1, false},
};
static struct tls_profile *fake_profile_list[] = {&fake_profiles[0], &fake_profiles[1]};
static const struct tls_loads fake_loads[] = {{3, 1, 1700000000000000}, {5, 0, 1700000000000000}};

size_t __wrap_tls_profile_certificates(const struct tls_profile *profile,
                                       struct tls_certificate *certificates, size_t size);
bool __wrap_tls_profile_is_stale(const struct tls_profile *profile);
const char *__wrap_tls_profile_name(const struct tls_profile *profile);
enum tls_role __wrap_tls_profile_role(const struct tls_profile *profile);

size_t __wrap_tls_profile_certificates(const struct tls_profile *profile,
                                       struct tls_certificate *certificates, size_t size)
{
    for (size_t i = 0; i < size && i < profile->count; i++)
        certificates[i] = profile->certificates[i];
    return profile->count;
}

bool __wrap_tls_profile_is_stale(const struct tls_profile *profile)
{
    return profile->is_stale;
}

const char *__wrap_tls_profile_name(const struct tls_profile *profile)
{
    (void)profile;
    return "public";
}

enum tls_role __wrap_tls_profile_role(const struct tls_profile *profile)
{
    return profile->role;
}

/* After fake_process_init(): `web` terminates, `pg` is spoken to in TLS. */
static inline void fake_profiles_add(struct fake_process *process)
{
    process->snapshot.tls_profiles = fake_profile_list;
    process->snapshot.tls_profile_count = 2;
    process->listeners[0].tls = fake_profile_list[0];
    process->listeners[0].terminates_tls = true;
    process->pools[1].options.tls = fake_profile_list[1];
    process->view.tls_loads = fake_loads;
}

#endif
