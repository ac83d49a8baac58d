package against

import (
	"errors"
	"os"
	"path/filepath"
)

// KafkaVersion is that of clients/java/kafka; NATS's are in its manifest, clients/nats.
const KafkaVersion = "4.3.0"

// PrepareBench resolves and builds what measuring beside RocketMQ takes, and with
// peers what measuring beside NATS and Kafka does.
func PrepareBench(peers bool) *Kit {
	k := new(Kit)
	p := newPlaces()
	k.prepareOriginal(p)
	k.prepareGoddard(p)
	var err error
	k.Floor, err = goBuild(filepath.Join(p.built, "floor"), p.root, "./internal/test/floor")
	k.FloorMissing = reason(err)
	if !peers {
		k.GRPCLoad, err = goBuild(filepath.Join(p.built, "grpc-load"), filepath.Join(p.clients, "grpc-go"), "./load")
		k.GRPCLoadMissing = reason(err)
		return k
	}
	k.NATS = natsPeer(p)
	k.Kafka = k.kafkaPeer(p)
	return k
}

// natsPeer builds the server and the load from one module.
func natsPeer(p places) Peer {
	module := filepath.Join(p.clients, "nats")
	program := func(name, pkg string) Program {
		out, err := goBuild(filepath.Join(p.built, name), module, pkg)
		if err != nil {
			return Program{Missing: err.Error()}
		}
		return Program{Command: out}
	}
	return Peer{program("nats-server", "github.com/nats-io/nats-server/v2"), program("nats-load", ".")}
}

func (k *Kit) kafkaPeer(p places) Peer {
	missing := func(err error) Peer {
		return Peer{Program{Missing: err.Error()}, Program{Missing: err.Error()}}
	}
	if k.Java == "" {
		return missing(errors.New(k.OriginalMissing))
	}
	project := filepath.Join(p.clients, "java/kafka")
	libs, err := classPath(p.cache, project, "kafka-"+KafkaVersion)
	if err != nil {
		return missing(err)
	}
	classes, err := compile(p.cache, "classes-kafka-"+KafkaVersion, libs, filepath.Join(project, "src"))
	if err != nil {
		return missing(err)
	}
	// What it logs goes to standard error, so that the report stands alone.
	quiet := "-Dlog4j2.configurationFile=" + filepath.Join(project, "log4j2.xml")
	if _, err := os.Stat(filepath.Join(project, "log4j2.xml")); err != nil {
		return missing(err)
	}
	return Peer{
		Program{Command: k.Java, Args: []string{quiet, "-cp", libs}},
		Program{Command: k.Java, Args: []string{quiet, "-Xmx1g", "-cp", classes, "load.Load"}},
	}
}
