{{/*
The name of everything. At most 52 characters: a StatefulSet's pods carry its name and a hash of ten more characters in
a label, and a label, like a host name, holds 63.
*/}}
{{- define "corndogs.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "corndogs.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "corndogs.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* The headless service that gives each pod its name. */}}
{{- define "corndogs.peers" -}}
{{- printf "%s-peers" (include "corndogs.fullname" .) -}}
{{- end -}}

{{- define "corndogs.selector" -}}
app.kubernetes.io/name: {{ include "corndogs.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "corndogs.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "corndogs.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "corndogs.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The id of the pod with the ordinal .ordinal. */}}
{{- define "corndogs.nodeId" -}}
{{- $id := index .root.Values.nodeIds (toString .ordinal) -}}
{{- if $id -}}{{ int $id }}{{- else -}}{{ add1 .ordinal }}{{- end -}}
{{- end -}}

{{/* ID=HOST:PORT of the pod with the ordinal .ordinal: by name, so that it survives a change of address. */}}
{{- define "corndogs.member" -}}
{{- $root := .root -}}
{{- $host := printf "%s-%d.%s.%s.svc.%s" (include "corndogs.fullname" $root) (int .ordinal) (include "corndogs.peers" $root) $root.Release.Namespace $root.Values.clusterDomain -}}
{{- printf "%s=%s:%d" (include "corndogs.nodeId" .) $host (int $root.Values.ports.peer) -}}
{{- end -}}

{{/* All of them. Two pods with one id would be one node in two places. */}}
{{- define "corndogs.members" -}}
{{- $root := . -}}
{{- $members := list -}}
{{- $taken := dict -}}
{{- range $ordinal := until (int .Values.replicas) -}}
{{- $node := dict "root" $root "ordinal" $ordinal -}}
{{- $id := include "corndogs.nodeId" $node -}}
{{- if hasKey $taken $id -}}
{{- fail (printf "nodeIds: pods %s and %d both have the node id %s; give pod %d another one that no node has had" (get $taken $id) $ordinal $id $ordinal) -}}
{{- end -}}
{{- $_ := set $taken $id (toString $ordinal) -}}
{{- $members = append $members (include "corndogs.member" $node) -}}
{{- end -}}
{{- join "," $members -}}
{{- end -}}
