// A stand-in for libnvidia-ml.so.1: the functions that the agent reaches through nvidia-ml-py, for GPUs that are lines
// of a file. $GPUS names the file, which is read anew in every call, so that GPUs can fall ill while somebody looks.
//
//   driver=580.95.05     what nvmlSystemGetDriverVersion says
//   init=9               what nvmlInitWithFlags returns; 0 when absent
//   count=2              GPUs
//   0.uuid=GPU-…         and name, domain, bus, device, memory, used, utilisation of the GPU 0
//   0.lost=15            what every function about the GPU 0 returns
//   0.rows=0,1,1,0       corrected, uncorrected, pending, failed; without it: not supported
//   0.pages, 0.uncorrected, 0.clocks, 0.recovery: numbers; without them: not supported
//   xid=1 7 79           event number 1: GPU 7, Xid 79; told once to whoever waits
//
// With -DNVIDIA_HEADER it is compiled against NVIDIA's own nvml.h, which proves that the signatures are the real ones.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef NVIDIA_HEADER
#include <nvml.h>
#else
typedef int nvmlReturn_t, nvmlMemoryErrorType_t, nvmlEccCounterType_t, nvmlEnableState_t, nvmlValueType_t;
typedef struct nvmlDevice_st *nvmlDevice_t;
typedef struct nvmlEventSet_st *nvmlEventSet_t;
typedef struct {
    char busIdLegacy[16];
    unsigned int domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} nvmlPciInfo_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
typedef struct { unsigned int gpu, memory; } nvmlUtilization_t;
typedef union { double dVal; unsigned int uiVal; unsigned long long ullVal; } nvmlValue_t;
typedef struct {
    unsigned int fieldId, scopeId;
    long long timestamp, latencyUsec;
    nvmlValueType_t valueType;
    nvmlReturn_t nvmlReturn;
    nvmlValue_t value;
} nvmlFieldValue_t;
typedef struct {
    nvmlDevice_t device;
    unsigned long long eventType, eventData;
    unsigned int gpuInstanceId, computeInstanceId;
} nvmlEventData_t;
enum {
    NVML_SUCCESS, NVML_ERROR_UNINITIALIZED, NVML_ERROR_INVALID_ARGUMENT, NVML_ERROR_NOT_SUPPORTED,
    NVML_ERROR_INSUFFICIENT_SIZE = 7, NVML_ERROR_TIMEOUT = 10, NVML_ERROR_GPU_IS_LOST = 15
};
#define NVML_FI_DEV_GET_GPU_RECOVERY_ACTION 230
#define NVML_VALUE_TYPE_UNSIGNED_INT 1
#define nvmlEventTypeXidCriticalError 8LL
#endif

struct nvmlDevice_st { unsigned int index; };
struct nvmlEventSet_st { int last; };
static struct nvmlDevice_st devices[16];
static int open_count;

// The value of a key into `found`; 0 where there is none.
static int lookup(const char *key, char *found, size_t size) {
    char line[512];
    FILE *file = fopen(getenv("GPUS"), "r");
    size_t length = strlen(key);
    int hit = 0;
    while (file && !hit && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, key, length) == 0 && line[length] == '=') hit = snprintf(found, size, "%s", line + length + 1) >= 0;
    }
    if (file) fclose(file);
    return hit;
}

static int number(const char *key, unsigned long long *value) {
    char text[64];
    if (!lookup(key, text, sizeof text)) return 0;
    *value = strtoull(text, 0, 0);
    return 1;
}

static char *of(nvmlDevice_t device, const char *what, char key[64]) {
    snprintf(key, 64, "%u.%s", device->index, what);
    return key;
}

static nvmlReturn_t state(nvmlDevice_t device) {
    char key[64];
    unsigned long long lost = 0;
    if (!open_count) return NVML_ERROR_UNINITIALIZED;
    number(of(device, "lost", key), &lost);
    return (nvmlReturn_t)lost;
}

static nvmlReturn_t ask(nvmlDevice_t device, const char *what, unsigned long long *value) {
    char key[64];
    nvmlReturn_t answer = state(device);
    if (answer != NVML_SUCCESS) return answer;
    return number(of(device, what, key), value) ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

static nvmlReturn_t words(nvmlDevice_t device, const char *what, char *text, unsigned int length) {
    char key[64];
    nvmlReturn_t answer = state(device);
    if (answer != NVML_SUCCESS) return answer;
    return lookup(of(device, what, key), text, length) ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlInitWithFlags(unsigned int flags) {
    unsigned long long refusal = 0;
    (void)flags;
    number("init", &refusal);
    if (refusal == NVML_SUCCESS) open_count++;
    return (nvmlReturn_t)refusal;
}

nvmlReturn_t nvmlShutdown(void) {
    if (!open_count) return NVML_ERROR_UNINITIALIZED;
    open_count--;
    return NVML_SUCCESS;
}

const char *nvmlErrorString(nvmlReturn_t result) {
    return result == NVML_ERROR_GPU_IS_LOST ? "GPU is lost" : result == 9 ? "Driver Not Loaded" : "Unknown Error";
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) {
    if (!open_count) return NVML_ERROR_UNINITIALIZED;
    return lookup("driver", version, length) ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
    unsigned long long found = 0;
    if (!open_count) return NVML_ERROR_UNINITIALIZED;
    number("count", &found);
    *count = (unsigned int)found;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
    unsigned int count = 0;
    nvmlReturn_t answer = nvmlDeviceGetCount_v2(&count);
    if (answer != NVML_SUCCESS) return answer;
    if (index >= count || index >= 16) return NVML_ERROR_INVALID_ARGUMENT;
    devices[index].index = index;
    *device = &devices[index];
    return state(*device);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length) {
    return words(device, "uuid", uuid, length);
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) {
    return words(device, "name", name, length);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    unsigned long long domain = 0, bus = 0, place = 0;
    nvmlReturn_t answer = ask(device, "bus", &bus);
    if (answer != NVML_SUCCESS) return answer;
    ask(device, "domain", &domain);
    ask(device, "device", &place);
    memset(pci, 0, sizeof *pci);
    pci->domain = (unsigned int)domain;
    pci->bus = (unsigned int)bus;
    pci->device = (unsigned int)place;
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", pci->domain, pci->bus, pci->device);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) {
    unsigned long long total = 0, used = 0;
    nvmlReturn_t answer = ask(device, "memory", &total);
    if (answer != NVML_SUCCESS) return answer;
    ask(device, "used", &used);
    memory->total = total;
    memory->used = used;
    memory->free = total - used;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates) {
    unsigned long long gpu = 0;
    nvmlReturn_t answer = ask(device, "utilisation", &gpu);
    rates->gpu = (unsigned int)gpu;
    rates->memory = 0;
    return answer;
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected, unsigned int *uncorrected,
                                       unsigned int *pending, unsigned int *failed) {
    char text[64];
    nvmlReturn_t answer = words(device, "rows", text, sizeof text);
    if (answer != NVML_SUCCESS) return answer;
    sscanf(text, "%u,%u,%u,%u", corrected, uncorrected, pending, failed);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t error, nvmlEccCounterType_t counter,
                                         unsigned long long *count) {
    // The agent asks for uncorrected errors (1) since the driver was loaded (0).
    if (error != 1 || counter != 0) return NVML_ERROR_INVALID_ARGUMENT;
    return ask(device, "uncorrected", count);
}

nvmlReturn_t nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t device, nvmlEnableState_t *pending) {
    unsigned long long value = 0;
    nvmlReturn_t answer = ask(device, "pages", &value);
    *pending = (nvmlEnableState_t)value;
    return answer;
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons) {
    return ask(device, "clocks", reasons);
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values) {
    for (int i = 0; i < count; i++) {
        unsigned long long value = 0;
        int known = values[i].fieldId == NVML_FI_DEV_GET_GPU_RECOVERY_ACTION;
        values[i].nvmlReturn = known ? ask(device, "recovery", &value) : NVML_ERROR_NOT_SUPPORTED;
        values[i].valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
        values[i].value.uiVal = (unsigned int)value;
    }
    return state(device);
}

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) {
    *set = calloc(1, sizeof **set);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set) {
    (void)set;
    if (types != nvmlEventTypeXidCriticalError) return NVML_ERROR_INVALID_ARGUMENT;
    return state(device);
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int milliseconds) {
    for (unsigned int waited = 0; waited <= milliseconds; waited += 20) {
        char text[64];
        int event = 0;
        unsigned int index = 0, xid = 0;
        if (lookup("xid", text, sizeof text) && sscanf(text, "%d %u %u", &event, &index, &xid) == 3 && event > set->last) {
            set->last = event;
            memset(data, 0, sizeof *data);
            devices[index].index = index;
            data->device = &devices[index];
            data->eventType = nvmlEventTypeXidCriticalError;
            data->eventData = xid;
            data->gpuInstanceId = data->computeInstanceId = 0xFFFFFFFF;
            return NVML_SUCCESS;
        }
        usleep(20000);
    }
    return NVML_ERROR_TIMEOUT;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
    free(set);
    return NVML_SUCCESS;
}
