package node

import (
	"strings"
	"testing"
)

func TestSettingsUnderOurNamesAreWrittenAsRunningBrokersTakeThem(t *testing.T) {
	for _, tt := range []struct{ name, text, key, value string }{
		{"retention", "48h", "fileReservedTime", "48"},
		{"max-message-size", "1MiB", "maxMessageSize", "1048576"},
		{"max-delay", "24h", "timerMaxDelaySec", "86400"},
		{"short-polling", "2s", "shortPollingTimeMills", "2000"},
		{"auto-create-topic", "FALSE", "autoCreateTopicEnable", "false"},
		{"flush", "sync", "flushDiskType", "SYNC_FLUSH"},
		{"disk-reserve", "1GiB", "disk-reserve", "1073741824"},
		{"grpc-any-message-type", "true", "enableTopicMessageTypeCheck", "false"},
		{"fileReservedTime", "48", "fileReservedTime", "48"},
		{"nothing", "x", "nothing", "x"},
	} {
		value, err := RocketMQValue(tt.name, tt.text)
		if key := RocketMQKey(tt.name); err != nil || key != tt.key || value != tt.value {
			t.Errorf("%s = %s became %s = %s, %v, want %s = %s", tt.name, tt.text, key, value, err, tt.key, tt.value)
		}
	}
	for name, text := range map[string]string{"retention": "90m", "max-message-size": "many", "auto-create-topic": "perhaps", "short-polling": "2"} {
		if _, err := RocketMQValue(name, text); err == nil || !strings.Contains(err.Error(), name+` = "`+text+`": `) {
			t.Errorf("%s = %s: %v", name, text, err)
		}
	}
}
