// A program with an array on the stack and a copy into it: what the hardening flags have something to do with.
#include <cstdio>
#include <cstring>

int main(int, char** argv) {
  char name[64];
  std::strncpy(name, argv[0], sizeof name - 1);
  name[sizeof name - 1] = '\0';
  std::puts(name);
}
