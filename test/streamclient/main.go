// Command streamclient publishes messages to a stream with RabbitMQ's own client, for a comparison with
// the publisher: see BenchmarkPublish of seed/seedrabbitmqstream.
//
//	streamclient HOST PORT VHOST STREAM < MESSAGES
//
// It reads the messages, a JSON object for each, then publishes them, and prints how many nanoseconds
// that took.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/amqp"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/stream"
)

// Window and batch are those of the publisher. With the client's default, the buffers of the socket
// stall.
const window, batch, buffer = 4096, 128, 4 << 20

func main() {
	messages, err := read(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	producer, err := connect(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	began := time.Now()
	if err := publish(producer, messages); err != nil {
		log.Fatal(err)
	}
	fmt.Println(time.Since(began).Nanoseconds())
}

func read(input io.Reader) (all []*amqp.AMQP10, err error) {
	for decoder := json.NewDecoder(bufio.NewReader(input)); ; {
		var m struct {
			ContentType string
			Properties  map[string]any
			Data        []byte
		}
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		message := amqp.NewMessage(m.Data)
		message.Properties, message.ApplicationProperties = &amqp.MessageProperties{ContentType: m.ContentType}, m.Properties
		message.SetPublishingId(int64(len(all) + 1))
		all = append(all, message)
	}
}

// connect declares a producer with a name, so that the broker keeps the ids of its messages.
func connect(host, port, vhost, name string) (*stream.Producer, error) {
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	options := stream.NewEnvironmentOptions().SetHost(host).SetPort(number).SetVHost(vhost).
		SetAddressResolver(stream.AddressResolver{Host: host, Port: number}).SetReadBuffer(buffer).SetWriteBuffer(buffer)
	environment, err := stream.NewEnvironment(options)
	if err != nil {
		return nil, err
	}
	return environment.NewProducer(name, stream.NewProducerOptions().SetProducerName("client").SetBatchSize(batch).SetQueueSize(window))
}

// publish returns when all messages are confirmed.
func publish(producer *stream.Producer, messages []*amqp.AMQP10) error {
	confirms := producer.NotifyPublishConfirmation()
	sent := make(chan error, 1)
	go func() {
		for _, m := range messages {
			if err := producer.Send(m); err != nil {
				sent <- err
				return
			}
		}
	}()
	for confirmed := 0; confirmed < len(messages); {
		select {
		case err := <-sent:
			return err
		case all := <-confirms:
			for _, c := range all {
				if !c.IsConfirmed() {
					return fmt.Errorf("message %d: %w", c.GetPublishingId(), c.GetError())
				}
			}
			confirmed += len(all)
		}
	}
	return nil
}
