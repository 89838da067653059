/* replay.c: runs a fuzz harness over stored inputs: each file named, or each file in a folder named. With no fuzzer
 * at hand this is what the ordinary test run does with the seeds. Fails when a name can't be read, or when there was nothing. */
#include "common/buf.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/why.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	struct buf input = {0};
	struct why why;
	if (file_read(path, INPUT_MAX, &input, &why) != RC_OK) {
		fprintf(stderr, "%s\n", why.text);
		buf_free(&input);
		return -1;
	}
	/* A copy of the exact size, so that a sanitizer sees the first byte too many. */
	uint8_t *data = mem_alloc(input.length > 0 ? input.length : 1);
	if (input.length > 0)
		memcpy(data, input.data, input.length);
	LLVMFuzzerTestOneInput(data, input.length);
	free(data);
	buf_free(&input);
	return 1;
}

static int run_folder(const char *path)
{
	DIR *folder = opendir(path);
	if (folder == NULL) {
		fprintf(stderr, "%s: can't be read\n", path);
		return -1;
	}
	int count = 0;
	for (struct dirent *entry; count >= 0 && (entry = readdir(folder)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		char *name = mem_sprintf("%s/%s", path, entry->d_name);
		count = run_file(name) < 0 ? -1 : count + 1;
		free(name);
	}
	closedir(folder);
	return count;
}

int main(int argc, char **argv)
{
	int total = 0;
	for (int i = 1; i < argc; i++) {
		struct stat status;
		int count = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode) ? run_folder(argv[i]) : run_file(argv[i]);
		if (count < 0)
			return 1;
		total += count;
	}
	printf("%d inputs\n", total);
	return total > 0 ? 0 : 1;
}
