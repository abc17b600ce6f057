"""Aquaponia on an ESP32 with MicroPython: measures, keeps what cannot be sent, sends it when it can.

Fill in the five settings, copy this file to the board as main.py, and reset it; docs/GETTING-STARTED.md says how.
It also runs on a computer, with an invented thermometer:

    micropython main.py http://localhost:3000 7K3M-X9QD [seconds between readings]
"""

import json
import os
import sys
import time

import requests

WIFI_NAME = "greenhouse"
WIFI_PASSWORD = "secret"
SERVER = "http://192.168.1.10:3000"  # where Aquaponia runs, as the board sees it
CLAIM_CODE = "XXXX-XXXX"  # of the device; a new code here makes the board ask for a new key
PIN = 4  # the yellow wire of the DS18B20

EVERY_S = 60
BATCH = 50
TIMEOUT_S = 15
CLOCK_GOOD_FOR_S = 6 * 3600
KEPT_AT_MOST = 1_000_000  # bytes: a week of readings, one a minute; the flash has room for about two million

CLAIMED = "claimed.json"
UNSENT = "unsent.txt"

if len(sys.argv) > 2:
    SERVER, CLAIM_CODE = sys.argv[1:3]
if len(sys.argv) > 3:
    EVERY_S = float(sys.argv[3])


# --- the board: what is different on a computer -----------------------------------------------------------------------

try:
    import ds18x20
    import machine
    import network
    import ntptime
    import onewire

    thermometer = ds18x20.DS18X20(onewire.OneWire(machine.Pin(PIN)))
    wifi = network.WLAN(network.STA_IF)
    wifi.active(True)
    clock_set_at = None

    def measure():
        """The temperature, or None where the probe fails: the server keeps that too."""
        try:
            probes = thermometer.scan()
            thermometer.convert_temp()
            time.sleep_ms(750)
            return thermometer.read_temp(probes[0])
        except Exception as error:
            print("the thermometer fails:", repr(error))
            return None

    def connect():
        if not wifi.isconnected():
            print("connecting to", WIFI_NAME)
            wifi.connect(WIFI_NAME, WIFI_PASSWORD)
            for _ in range(TIMEOUT_S):
                if wifi.isconnected():
                    break
                time.sleep(1)
            else:
                wifi.disconnect()
                raise OSError("no Wi-Fi")

    def set_clock():
        """The crystal of the board is off by seconds a day, and by decades after power was off."""
        global clock_set_at
        if clock_set_at is None or time.time() - clock_set_at > CLOCK_GOOD_FOR_S:
            ntptime.settime()
            clock_set_at = time.time()

except ImportError:
    import random

    def measure():
        return round(26 + random.random(), 2)

    def connect():
        pass

    def set_clock():
        pass


# --- readings, kept and sent ------------------------------------------------------------------------------------------


def now():
    """UTC, or None where the clock was never set: a reading without its time would be a false one later."""
    year, month, day, hour, minute, second = time.gmtime()[:6]
    if year < 2025:
        return None
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % (year, month, day, hour, minute, second)


def post(path, body, key=None):
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = "Bearer " + key
    answer = requests.post(SERVER + path, data=body, headers=headers, timeout=TIMEOUT_S)
    try:
        return answer.status_code, answer.json()
    finally:
        answer.close()


def claim():
    """The key of this board: from its flash, or for the claim code."""
    try:
        with open(CLAIMED) as file:
            known = json.load(file)
        if known["code"] == CLAIM_CODE:
            return known
    except (OSError, ValueError, KeyError):
        pass
    status, answer = post("/v1/claims", json.dumps({"code": CLAIM_CODE}))
    if status != 200:
        raise OSError("the claim code is refused: " + answer["detail"])
    known = {"code": CLAIM_CODE}
    for name in ("systemId", "deviceId", "key"):
        known[name] = answer[name]
    known["sensor"] = [s["id"] for s in answer["sensors"] if s["quantity"] == "water-temperature"][0]
    with open(CLAIMED, "w") as file:
        json.dump(known, file)
    print("this is", known["deviceId"], "of", known["systemId"])
    return known


def keep(value, observed_at):
    """On the flash before anything else: power may be gone the next moment."""
    try:
        if os.stat(UNSENT)[6] > KEPT_AT_MOST:
            return print("there is no more room; this reading is lost")
    except OSError:
        pass
    with open(UNSENT, "a") as file:
        file.write(json.dumps({"value": value, "observedAt": observed_at}) + "\n")


sent = 0  # bytes of UNSENT


def send():
    """Oldest first. What was not acknowledged is sent again with the same time, so that nothing counts twice."""
    global sent
    known = claim()
    with open(UNSENT) as file:
        file.seek(sent)
        while True:
            readings = next_readings(file, known["sensor"])
            if readings is None:
                break
            if readings:
                deliver(known, readings)
            sent = file.tell()
    os.remove(UNSENT)
    sent = 0


def next_readings(file, sensor):
    readings = []
    for _ in range(BATCH):
        line = file.readline()
        if not line:
            return readings or None
        try:
            reading = json.loads(line)
        except ValueError:
            continue  # power was gone in the middle of it
        reading["sensor"] = sensor
        readings.append(reading)
    return readings


def deliver(known, readings):
    path = "/v1/systems/%s/readings" % known["systemId"]
    status, answer = post(path, json.dumps({"readings": readings}), known["key"])
    # 422: not one of them can ever be taken, and the results say why.
    if status not in (200, 422):
        raise OSError("%d %s" % (status, answer.get("detail")))
    for reading, result in zip(readings, answer["results"]):
        if result["outcome"] == "refused":
            print("refused:", reading, result["error"]["message"])
    taken = [result["outcome"] for result in answer["results"]]
    print(now(), "stored", taken.count("stored"), "duplicates", taken.count("duplicate"))


def main():
    # Ends the line in whose middle power may have gone.
    with open(UNSENT, "a") as file:
        file.write("\n")
    while True:
        observed_at = now()
        if observed_at:
            keep(measure(), observed_at)
        try:
            connect()
            set_clock()
            if observed_at:
                send()
        except Exception as error:
            print("kept for later:", repr(error))
        # Without a time there was nothing to keep: the clock may be set by now.
        time.sleep(EVERY_S if observed_at else 5)


main()
