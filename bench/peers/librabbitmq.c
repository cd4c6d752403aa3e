/* SPDX-License-Identifier: GPL-3.0-or-later
 * SPDX-FileCopyrightText: The wazo-busd Authors
 *
 * librabbitmq: what a consumer costs in C. It acknowledges a hundred events at once, and of the body it looks for
 * nothing but the stamp, where delays are asked for. It counts as bench/recorder.py does, and writes the same tally.
 */

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { PREFETCH = 256, ACKS_AT_ONCE = 100, FRAME_MAX = 131072, HEARTBEAT = 10 };

static const char STAMP[] = "\"SentAt\":\"";

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "%s is not set\n", name);
        exit(2);
    }
    return value;
}

static void check(int fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double own_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double broker_seconds(const char *pid)
{
    char path[512];
    unsigned long long total = 0, nanoseconds;
    snprintf(path, sizeof path, "/proc/%s/task", pid);
    DIR *threads = opendir(path);
    check(threads != NULL, "opening the broker's threads");
    for (struct dirent *each; (each = readdir(threads)) != NULL;) {
        if (each->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%s/task/%s/schedstat", pid, each->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            continue; /* it has ended since */
        if (fscanf(file, "%llu", &nanoseconds) == 1)
            total += nanoseconds;
        fclose(file);
    }
    closedir(threads);
    return total / 1e9;
}

static amqp_connection_state_t consume(void)
{
    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    check(socket != NULL, "making a socket");
    check(amqp_socket_open(socket, setting("BENCH_HOST"), atoi(setting("BENCH_PORT"))) == AMQP_STATUS_OK, "connecting");
    amqp_rpc_reply_t reply = amqp_login(connection, setting("BENCH_VHOST"), 0, FRAME_MAX, HEARTBEAT,
                                        AMQP_SASL_METHOD_PLAIN, "guest", "guest");
    check(reply.reply_type == AMQP_RESPONSE_NORMAL, "logging in");
    amqp_channel_open(connection, 1);
    check(amqp_get_rpc_reply(connection).reply_type == AMQP_RESPONSE_NORMAL, "opening a channel");
    amqp_basic_qos(connection, 1, 0, PREFETCH, 0);
    check(amqp_get_rpc_reply(connection).reply_type == AMQP_RESPONSE_NORMAL, "setting the prefetch");
    amqp_basic_consume(connection, 1, amqp_cstring_bytes(setting("BENCH_QUEUE")), amqp_empty_bytes, 0, 0, 0,
                       amqp_empty_table);
    check(amqp_get_rpc_reply(connection).reply_type == AMQP_RESPONSE_NORMAL, "consuming");
    return connection;
}

static double delay(const amqp_bytes_t body)
{
    const char *found = memmem(body.bytes, body.len, STAMP, sizeof STAMP - 1);
    check(found != NULL, "finding the stamp");
    return now(CLOCK_REALTIME) - strtod(found + sizeof STAMP - 1, NULL);
}

static void write_tally(const double *delays, long handled, long events, const double *spent)
{
    char path[4096], unfinished[4096];
    snprintf(path, sizeof path, "%s", setting("BENCH_RESULT"));
    char *ending = strrchr(path, '.');
    check(ending != NULL, "the ending of the result");
    strcpy(ending, ".delays");
    FILE *file = fopen(path, "wb");
    check(file != NULL, "opening the delays");
    check(fwrite(delays, sizeof *delays, handled, file) == (size_t)handled, "writing the delays");
    fclose(file);
    snprintf(unfinished, sizeof unfinished, "%s.unfinished", setting("BENCH_RESULT"));
    file = fopen(unfinished, "w");
    check(file != NULL, "opening the result");
    fprintf(file, "{\"events\": %ld, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"broker_seconds\": %.6f}", events,
            spent[0], spent[1], spent[2]);
    fclose(file);
    check(rename(unfinished, setting("BENCH_RESULT")) == 0, "writing the result");
}

int main(void)
{
    const char *broker = setting("BENCH_BROKER");
    const long target = atol(setting("BENCH_TARGET")), first = atol(setting("BENCH_WARM")) + 1;
    const int stamped = atoi(setting("BENCH_STAMPED"));
    double *delays = calloc(target + 1, sizeof *delays), spent[3] = {0};
    amqp_connection_state_t connection = consume();
    for (long handled = 0;;) {
        amqp_envelope_t envelope;
        amqp_maybe_release_buffers(connection);
        amqp_rpc_reply_t reply = amqp_consume_message(connection, &envelope, NULL, 0);
        check(reply.reply_type == AMQP_RESPONSE_NORMAL, "taking an event");
        if (stamped)
            delays[handled] = delay(envelope.message.body);
        handled++;
        if (handled % ACKS_AT_ONCE == 0 || handled == target)
            check(amqp_basic_ack(connection, 1, envelope.delivery_tag, 1) == AMQP_STATUS_OK, "acknowledging");
        amqp_destroy_envelope(&envelope);
        if (handled == first) {
            spent[2] = broker_seconds(broker);
            spent[1] = own_seconds();
            spent[0] = now(CLOCK_MONOTONIC);
        }
        if (handled == target) {
            spent[1] = own_seconds() - spent[1];
            spent[0] = now(CLOCK_MONOTONIC) - spent[0];
            spent[2] = broker_seconds(broker) - spent[2];
            write_tally(delays, stamped ? handled : 0, target - first, spent);
        }
    }
}
