// What a job is given to work with. Made by the composition root (the tool, the daemon, a test); all borrowed.
#pragma once
#include <map>
#include <string>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/filesystem.h"
#include "base/processes.h"
#include "base/progress.h"
#include "base/tasks.h"

namespace coffer::jobs {

struct Environment {
  FileSystem& files;
  Clock& clock;
  Entropy& entropy;
  Processes& processes;
  ByteBudget& budget;
  Progress& progress;
  std::string scratch;                     // a private directory for spills and scratch clusters; exists
  int jobs = 2;                            // worker tasks
  std::map<int, std::string> pg_binaries;  // major -> bin folder, from configuration
};

}  // namespace coffer::jobs
