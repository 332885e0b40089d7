"""Adds up the results of GoogleTest and pytest (JUnit XML): one line 'N passed, N failed, N skipped'."""
import sys
import xml.etree.ElementTree as ET

passed = failed = skipped = 0
for path in sys.argv[1:]:
    for case in ET.parse(path).iter("testcase"):
        is_skipped = case.find("skipped") is not None or case.get("result") == "skipped" or case.get("status") == "notrun"
        is_failed = case.find("failure") is not None or case.find("error") is not None
        failed += is_failed
        skipped += is_skipped and not is_failed
        passed += not is_failed and not is_skipped
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(failed > 0 or passed == 0)
