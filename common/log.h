/* log.h: one line an event on standard error, with the priority prefix that journald reads. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>

/* error: something an administrator must mend. warn: it may become one. info: a state changed. debug: the rest. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Name before each line ("rxfer-master"); static string. With journald as reader (JOURNAL_STREAM) lines begin with
 * "<N>" and carry neither name nor time; otherwise with a UTC time and the name. */
void log_open(const char *program, bool debug);

#endif
