# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on.

wait      deadlines and conditions: nothing in the suite sleeps and hopes
culvert   one running culvert: its configuration, control socket, log and process ledger
peer      scripted clients and servers, one call per TCP event
crowd     thousands of sessions at once, each byte and each end checked (the session ledger)
netns     a private network for tests that change what the kernel allows
"""
