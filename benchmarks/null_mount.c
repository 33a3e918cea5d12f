/* A file system that forgets what is written and gives zeros: what the kernel and libfuse cost without a server.
 *
 * gcc -O2 -o null-mount null_mount.c $(pkg-config --cflags --libs fuse3); null-mount FOLDER
 * Names live in a list as long as the process; a file has the size that it was given.
 */
#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fuse.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BUCKETS 65536

struct node {
	struct node *next;
	mode_t mode;
	off_t size;
	char path[];
};

static struct node *table[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct node **place(const char *path)
{
	unsigned long hash = 5381;
	for (const char *at = path; *at; at++)
		hash = hash * 33 + (unsigned char)*at;
	struct node **link = &table[hash % BUCKETS];
	while (*link && strcmp((*link)->path, path))
		link = &(*link)->next;
	return link;
}

static int make(const char *path, mode_t mode)
{
	pthread_mutex_lock(&lock);
	struct node **link = place(path);
	if (!*link) {
		*link = calloc(1, sizeof(struct node) + strlen(path) + 1);
		strcpy((*link)->path, path);
	}
	(*link)->mode = mode;
	(*link)->size = 0;
	pthread_mutex_unlock(&lock);
	return 0;
}

static int null_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	pthread_mutex_lock(&lock);
	struct node *node = *place(path);
	if (node) {
		st->st_mode = node->mode;
		st->st_size = node->size;
		st->st_nlink = 1;
	}
	pthread_mutex_unlock(&lock);
	return node ? 0 : -ENOENT;
}

static int null_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	fi->direct_io = 1; /* as the mount: writes go around the page cache, in requests of a MiB */
	return make(path, S_IFREG | mode);
}

static int null_mkdir(const char *path, mode_t mode) { return make(path, S_IFDIR | mode); }

static int null_unlink(const char *path)
{
	pthread_mutex_lock(&lock);
	struct node **link = place(path), *node = *link;
	if (node) {
		*link = node->next;
		free(node);
	}
	pthread_mutex_unlock(&lock);
	return node ? 0 : -ENOENT;
}

static int null_open(const char *path, struct fuse_file_info *fi) { (void)path, (void)fi; return 0; }

static int null_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	(void)fi;
	pthread_mutex_lock(&lock);
	struct node *node = *place(path);
	if (node)
		node->size = size;
	pthread_mutex_unlock(&lock);
	return node ? 0 : -ENOENT;
}

static int null_write(const char *path, const char *data, size_t size, off_t at, struct fuse_file_info *fi)
{
	(void)data, (void)fi;
	pthread_mutex_lock(&lock);
	struct node *node = *place(path);
	if (node && node->size < at + (off_t)size)
		node->size = at + size;
	pthread_mutex_unlock(&lock);
	return node ? (int)size : -ENOENT;
}

static int null_read(const char *path, char *data, size_t size, off_t at, struct fuse_file_info *fi)
{
	(void)path, (void)at, (void)fi;
	memset(data, 0, size);
	return size;
}

static int null_chmod(const char *p, mode_t m, struct fuse_file_info *fi) { (void)p, (void)m, (void)fi; return 0; }
static int null_chown(const char *p, uid_t u, gid_t g, struct fuse_file_info *fi) { (void)p, (void)u, (void)g, (void)fi; return 0; }
static int null_utimens(const char *p, const struct timespec t[2], struct fuse_file_info *fi) { (void)p, (void)t, (void)fi; return 0; }

int main(int argc, char **argv)
{
	static const struct fuse_operations operations = {
		.getattr = null_getattr, .create = null_create, .mkdir = null_mkdir, .unlink = null_unlink,
		.open = null_open, .truncate = null_truncate, .write = null_write, .read = null_read,
		.chmod = null_chmod, .chown = null_chown, .utimens = null_utimens,
	};
	make("/", S_IFDIR | 0755);
	return fuse_main(argc, argv, &operations, NULL);
}
