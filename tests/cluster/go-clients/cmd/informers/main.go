// Command informers watches ConfigMaps and Secrets of one namespace as a controller does, over protobuf, and prints what
// it is told, a line for each event. It ends when it has seen the ConfigMap "last" deleted.
package main

import (
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(namespace string) error {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return err
	}
	config.ContentType = runtime.ContentTypeProtobuf
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	lines, last, stop := make(chan string, 1000), make(chan struct{}), make(chan struct{})
	defer close(stop)
	factory := informers.NewSharedInformerFactoryWithOptions(client, time.Hour, informers.WithNamespace(namespace))
	core := factory.Core().V1()
	for _, informer := range []cache.SharedIndexInformer{core.ConfigMaps().Informer(), core.Secrets().Informer()} {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(object any) { lines <- told("added", object) },
			UpdateFunc: func(_, object any) { lines <- told("updated", object) },
			DeleteFunc: func(object any) {
				lines <- told("deleted", object)
				if object, ok := object.(*corev1.ConfigMap); ok && object.Name == "last" {
					close(last)
				}
			},
		})
		if err != nil {
			return err
		}
	}
	factory.Start(stop)
	for kind, synced := range factory.WaitForCacheSync(stop) {
		if !synced {
			return fmt.Errorf("%v was not synced", kind)
		}
	}
	for {
		select {
		case line := <-lines:
			fmt.Println(line)
		case <-last:
			for len(lines) > 0 {
				fmt.Println(<-lines)
			}
			return nil
		case <-time.After(time.Minute):
			return fmt.Errorf("nothing was seen for a minute")
		}
	}
}

func told(what string, object any) string {
	switch object := object.(type) {
	case *corev1.ConfigMap:
		return fmt.Sprintf("%s configmap %s a=%.9s of %d", what, object.Name, object.Data["a"], len(object.Data["a"]))
	case *corev1.Secret:
		return fmt.Sprintf("%s secret %s a=%.9s of %d", what, object.Name, object.Data["a"], len(object.Data["a"]))
	default:
		return fmt.Sprintf("%s %T", what, object)
	}
}
