/* What the product asks of libnvidia-ml.so.1, answered from a text file ($PRETEND_GPUS), read anew at each init:
     gpu  UUID TOTAL USED NAME…          a GPU; bytes
     mig  UUID TOTAL USED NAME…          an instance of the GPU above
     held UUID PID BYTES                 a process that holds memory of it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 64
enum { SUCCESS = 0, UNSUPPORTED = 3, NOT_FOUND = 6, NO_DRIVER = 9 };
struct card { char uuid[96], name[96]; unsigned long long total, used; int parent; };
struct holder { char uuid[96]; unsigned int pid; unsigned long long bytes; };
struct memory { unsigned long long total, free, used; };
struct process { unsigned int pid; unsigned long long bytes; unsigned int gpu, compute; };
static struct card cards[MOST];
static struct holder holders[MOST];
static int card_count, holder_count;

int nvmlInitWithFlags(unsigned int flags) {
  const char *path = getenv("PRETEND_GPUS");
  FILE *file = path ? fopen(path, "r") : NULL;
  char line[512];
  int parent = -1;
  if (!file) return NO_DRIVER;
  card_count = holder_count = 0;
  while (fgets(line, sizeof line, file)) {
    struct card *card = &cards[card_count];
    struct holder *holder = &holders[holder_count];
    if (sscanf(line, "held %95s %u %llu", holder->uuid, &holder->pid, &holder->bytes) == 3) holder_count++;
    else if (sscanf(line, "%*s %95s %llu %llu %95[^\n]", card->uuid, &card->total, &card->used, card->name) == 4) {
      card->parent = strncmp(line, "mig", 3) ? -1 : parent;
      if (card->parent < 0) parent = card_count;
      card_count++;
    }
  }
  fclose(file);
  return SUCCESS;
}
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { return "pretended"; }
static int nth(int parent, unsigned int index, struct card **found) {
  for (int i = 0; i < card_count; i++)
    if (cards[i].parent == parent && !index--) { *found = &cards[i]; return SUCCESS; }
  return NOT_FOUND;
}
static unsigned int count(int parent) {
  unsigned int n = 0;
  for (int i = 0; i < card_count; i++) n += cards[i].parent == parent;
  return n;
}
int nvmlDeviceGetCount_v2(unsigned int *n) { *n = count(-1); return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, struct card **found) { return nth(-1, index, found); }
int nvmlDeviceGetMigMode(struct card *card, unsigned int *now, unsigned int *pending) {
  *now = *pending = count((int)(card - cards)) > 0;
  return SUCCESS;
}
int nvmlDeviceGetMaxMigDeviceCount(struct card *card, unsigned int *n) { *n = 7; return SUCCESS; }
int nvmlDeviceGetMigDeviceHandleByIndex(struct card *card, unsigned int index, struct card **found) {
  return nth((int)(card - cards), index, found);
}
int nvmlDeviceGetUUID(struct card *card, char *text, unsigned int size) { snprintf(text, size, "%s", card->uuid); return SUCCESS; }
int nvmlDeviceGetName(struct card *card, char *text, unsigned int size) { snprintf(text, size, "%s", card->name); return SUCCESS; }
int nvmlDeviceGetMemoryInfo(struct card *card, struct memory *memory) {
  memory->total = card->total; memory->used = card->used; memory->free = card->total - card->used;
  return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(struct card *card, unsigned int *size, struct process *found) {
  unsigned int n = 0;
  for (int i = 0; i < holder_count; i++) {
    if (strcmp(holders[i].uuid, card->uuid)) continue;
    if (n < *size) found[n] = (struct process){holders[i].pid, holders[i].bytes, 0, 0};
    n++;
  }
  int fits = n <= *size;
  *size = n;
  return fits ? SUCCESS : 7;
}
