// What makes a node of a machine: containerd with its network plugins, kubelet, kube-proxy, and CoreDNS as the cluster's DNS on the node's
// own address. Pure: configuration files as text, and command lines that name them.
import { join } from 'node:path'
import type { Command, Place } from './control-plane.ts'

/** Holds a pod's namespaces; ../../images/pause.ts makes it. */
export const PAUSE_IMAGE = 'docker.io/fedsam/pause:1'

export function containerdSocket({ folder }: Pick<Place, 'folder'>): string {
  return join(folder, 'containerd.sock')
}

/** Every configuration file of the parts: file name in the node's folder, and its text. */
export function configurations(place: Place): Readonly<Record<string, string>> {
  return {
    'containerd.toml': containerdConfig(place),
    'cni/10-fedsam.conflist': JSON.stringify(networkPlugins(place)),
    'kubelet.json': JSON.stringify(kubeletConfig(place)),
    'proxy.json': JSON.stringify(proxyConfig(place)),
    Corefile: corefile(place),
    // Nothing outside of the cluster has a name.
    'resolv.conf': '',
  }
}

export function containerdCommand({ folder }: Place): Command {
  return ['containerd', '--config', join(folder, 'containerd.toml')]
}

export function kubeletCommand({ binaries, folder, nodeName, network }: Place): Command {
  const flags = {
    config: join(folder, 'kubelet.json'),
    kubeconfig: join(folder, 'node.kubeconfig'),
    'hostname-override': nodeName,
    'node-ip': network.address,
    'root-dir': '/var/lib/kubelet',
  }
  return [binaries.kubelet, ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)]
}

export function proxyCommand({ binaries, folder }: Place): Command {
  return [binaries.proxy, `--config=${join(folder, 'proxy.json')}`]
}

export function dnsCommand(coredns: string, { folder }: Place): Command {
  return [coredns, '-conf', join(folder, 'Corefile')]
}

function containerdConfig(place: Place): string {
  const text = JSON.stringify
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  return `version = 2
root = ${text(join(place.folder, 'containerd'))}
state = "/run/containerd"
[grpc]
address = ${text(containerdSocket(place))}
[plugins."io.containerd.internal.v1.opt"]
path = ${text(join(place.folder, 'opt'))}
[${cri}]
sandbox_image = ${text(PAUSE_IMAGE)}
# runc cannot lower the score without CAP_SYS_RESOURCE.
restrict_oom_score_adj = true
[${cri}.cni]
bin_dir = "/usr/lib/cni"
conf_dir = ${text(join(place.folder, 'cni'))}
[${cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.runc.options]
SystemdCgroup = false
`
}

/** ptp, not bridge: every packet between pods is routed, so that Services work without the kernel's br_netfilter. */
function networkPlugins({ network }: Place): object {
  const ipam = {
    type: 'host-local',
    ranges: [[{ subnet: network.pods }]],
    routes: [{ dst: '0.0.0.0/0' }],
    dataDir: '/run/cni',
  }
  return {
    cniVersion: '0.4.0',
    name: 'fedsam',
    plugins: [
      { type: 'ptp', ipMasq: false, ipam },
      { type: 'portmap', capabilities: { portMappings: true }, snat: true },
    ],
  }
}

function kubeletConfig(place: Place): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: { x509: { clientCAFile: join(place.folder, 'ca.crt') }, anonymous: { enabled: false } },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    // A branch of its own, made by init.sh under the name of the machine.
    cgroupRoot: `/${place.nodeName}`,
    clusterDNS: [place.network.address],
    clusterDomain: 'cluster.local',
    containerRuntimeEndpoint: `unix://${containerdSocket(place)}`,
    evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    failCgroupV1: false,
    failSwapOn: false,
    // Images come from files; nothing could bring one back.
    imageGCHighThresholdPercent: 100,
    makeIPTablesUtilChains: false,
    resolvConf: join(place.folder, 'resolv.conf'),
    serializeImagePulls: false,
    volumePluginDir: join(place.folder, 'volume-plugins'),
  }
}

function proxyConfig(place: Place): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: join(place.folder, 'proxy.kubeconfig') },
    clusterCIDR: place.network.pods,
    // Settings of the whole machine stay as they are.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    hostnameOverride: place.nodeName,
  }
}

function corefile({ folder, network }: Place): string {
  return `cluster.local in-addr.arpa ip6.arpa {
  bind ${network.address}
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig ${join(folder, 'admin.kubeconfig')}
    ttl 1
  }
}
. {
  bind ${network.address}
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`
}
