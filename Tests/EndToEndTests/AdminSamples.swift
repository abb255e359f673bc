/// Answers of Envoy 1.40.0 to the configuration of `AdminFixture` after its traffic, ports and times masked.
struct AdminSample {
    let method: String
    let target: String
    var form = ""
    let status: Int
    var type = "text/plain; charset=UTF-8"
    let body: String
}

enum AdminSamples {
    static let all: [AdminSample] = [
        AdminSample(
            method: "GET", target: "/ready", status: 200,
            body: #"""
                LIVE

                """#),
        AdminSample(
            method: "GET", target: "/ready/", status: 404,
            body: #"""
                invalid path. admin commands are:
                  /: Admin home page
                  /allocprofiler (POST): enable/disable the allocation profiler (if supported)
                      enable: enable/disable the allocation profiler; One of (y, n)
                  /certs: print certs on machine
                  /clusters: upstream cluster status
                      filter: Regular expression (Google re2) for filtering clusters by name
                  /config_dump: dump current Envoy configs
                      resource: The resource to dump
                      mask: The mask to apply. When both resource and mask are specified, the mask is applied to every element in the desired repeated field so that only a subset of fields are returned. The mask is parsed as a Protobuf::FieldMask
                      name_regex: Dump only the currently loaded configurations whose names match the specified regex. Can be used with both resource and mask query parameters.
                      include_eds: Dump currently loaded configuration including EDS. See the response definition for more information
                  /contention: dump current Envoy mutex contention stats (if enabled)
                  /cpuprofiler (POST): enable/disable the CPU profiler
                      enable: enables the CPU profiler; One of (y, n)
                  /drain_listeners (POST): drain listeners
                      graceful: When draining listeners, enter a graceful drain period prior to closing listeners. This behaviour and duration is configurable via server options or CLI
                      skip_exit: When draining listeners, drain the connections but never stop the listeners. The graceful parameter has no effect when this is set, since the drain period only delays stopping the listeners
                      inboundonly: Drains all inbound listeners. traffic_direction field in envoy_v3_api_msg_config.listener.v3.Listener is used to determine whether a listener is inbound or outbound.
                  /healthcheck/fail (POST): cause the server to fail health checks
                  /healthcheck/ok (POST): cause the server to pass health checks
                  /heap_dump: dump current Envoy heap (if supported)
                  /heapprofiler (POST): enable/disable the heap profiler
                      enable: enable/disable the heap profiler; One of (y, n)
                  /help: print out list of admin commands
                  /hot_restart_version: print the hot restart compatibility version
                  /init_dump: dump current Envoy init manager information (experimental)
                      mask: The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. For example, get the unready targets of all listeners with /init_dump?mask=listener`
                  /listeners: print listener info
                      format: File format to use; One of (text, json)
                  /logging (POST): query/change logging levels
                      paths: Change multiple logging levels by setting to <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>. If fine grain logging is enabled, use __FILE__ or a glob experision as the logger name. For example, source/common*:warning
                      group: Change given logger group to desired level, set to <logger_group_name>:<desired_level>. logger_group_name must be a logger name.
                      level: desired logging level, this will change all loggers's level; One of (, trace, debug, info, warning, error, critical, off)
                  /memory: print current allocation/heap usage
                  /memory/tcmalloc: print TCMalloc stats
                  /peak_heap_dump: dump peak Envoy heap (if supported)
                  /quitquitquit (POST): exit the server
                  /ready: print server state, return 200 if LIVE, otherwise return 503
                  /reopen_logs (POST): reopen access logs
                  /reset_counters (POST): reset all counters to zero
                  /runtime: print runtime values
                  /runtime_modify (POST): Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...
                  /server_info: print server version/status information
                  /stats: print server stats
                      usedonly: Only include stats that have been written by system since restart
                      filter: Regular expression (Google re2) for filtering stats
                      invert_filter: Invert the filter regex
                      format: Format to use; One of (html, active-html, text, json)
                      type: Stat types to include.; One of (All, Counters, Histograms, Gauges, TextReadouts)
                      histogram_buckets: Histogram bucket display mode; One of (cumulative, disjoint, detailed, summary)
                  /stats/prometheus: print server stats in prometheus format
                      usedonly: Only include stats that have been written by system since restart
                      text_readouts: Render text_readouts as new gaugues with value 0 (increases Prometheus data size)
                      filter: Regular expression (Google re2) for filtering stats
                      invert_filter: Invert the filter regex
                      histogram_buckets: Histogram bucket display mode; One of (cumulative, summary)
                  /stats/recentlookups: Show recent stat-name lookups
                  /stats/recentlookups/clear (POST): clear list of stat-name lookups and counter
                  /stats/recentlookups/disable (POST): disable recording of reset stat-name lookup names
                  /stats/recentlookups/enable (POST): enable recording of reset stat-name lookup names

                """#),
        AdminSample(
            method: "GET", target: "/quitquitquit", status: 405,
            body: #"""
                Method GET not allowed, POST required.
                """#),
        AdminSample(
            method: "GET", target: "/listeners", status: 200,
            body: #"""
                http_l::127.0.0.1:INBOUND
                http_l::127.0.0.1:SECOND
                tcp_l::127.0.0.1:OUTBOUND

                """#),
        AdminSample(
            method: "GET", target: "/listeners?format=json", status: 200, type: "application/json",
            body: #"""
                {
                 "listener_statuses": [
                  {
                   "name": "http_l",
                   "local_address": {
                    "socket_address": {
                     "address": "127.0.0.1",
                     "port_value": INBOUND
                    }
                   },
                   "additional_local_addresses": [
                    {
                     "socket_address": {
                      "address": "127.0.0.1",
                      "port_value": SECOND
                     }
                    }
                   ]
                  },
                  {
                   "name": "tcp_l",
                   "local_address": {
                    "socket_address": {
                     "address": "127.0.0.1",
                     "port_value": OUTBOUND
                    }
                   }
                  }
                 ]
                }

                """#),
        AdminSample(
            method: "GET", target: "/clusters?filter=up", status: 200,
            body: #"""
                up::observability_name::up
                up::default_priority::max_connections::1024
                up::default_priority::max_pending_requests::1024
                up::default_priority::max_requests::1024
                up::default_priority::max_retries::3
                up::high_priority::max_connections::1024
                up::high_priority::max_pending_requests::1024
                up::high_priority::max_requests::1024
                up::high_priority::max_retries::3
                up::added_via_api::false
                up::127.0.0.1:UPSTREAM::cx_active::1
                up::127.0.0.1:UPSTREAM::cx_connect_fail::0
                up::127.0.0.1:UPSTREAM::cx_total::1
                up::127.0.0.1:UPSTREAM::rq_active::0
                up::127.0.0.1:UPSTREAM::rq_error::0
                up::127.0.0.1:UPSTREAM::rq_pending_active::0
                up::127.0.0.1:UPSTREAM::rq_success::3
                up::127.0.0.1:UPSTREAM::rq_timeout::0
                up::127.0.0.1:UPSTREAM::rq_total::3
                up::127.0.0.1:UPSTREAM::hostname::
                up::127.0.0.1:UPSTREAM::health_flags::healthy
                up::127.0.0.1:UPSTREAM::weight::3
                up::127.0.0.1:UPSTREAM::region::r1
                up::127.0.0.1:UPSTREAM::zone::z1
                up::127.0.0.1:UPSTREAM::sub_zone::s1
                up::127.0.0.1:UPSTREAM::canary::false
                up::127.0.0.1:UPSTREAM::priority::0
                up::127.0.0.1:UPSTREAM::success_rate::-1
                up::127.0.0.1:UPSTREAM::local_origin_success_rate::-1
                up::127.0.0.1:REFUSED::cx_active::0
                up::127.0.0.1:REFUSED::cx_connect_fail::0
                up::127.0.0.1:REFUSED::cx_total::0
                up::127.0.0.1:REFUSED::rq_active::0
                up::127.0.0.1:REFUSED::rq_error::0
                up::127.0.0.1:REFUSED::rq_pending_active::0
                up::127.0.0.1:REFUSED::rq_success::0
                up::127.0.0.1:REFUSED::rq_timeout::0
                up::127.0.0.1:REFUSED::rq_total::0
                up::127.0.0.1:REFUSED::hostname::hh
                up::127.0.0.1:REFUSED::health_flags::/failed_eds_health
                up::127.0.0.1:REFUSED::weight::1
                up::127.0.0.1:REFUSED::region::r1
                up::127.0.0.1:REFUSED::zone::z1
                up::127.0.0.1:REFUSED::sub_zone::s1
                up::127.0.0.1:REFUSED::canary::false
                up::127.0.0.1:REFUSED::priority::0
                up::127.0.0.1:REFUSED::success_rate::-1
                up::127.0.0.1:REFUSED::local_origin_success_rate::-1

                """#),
        AdminSample(
            method: "GET", target: "/clusters?filter=up&format=json", status: 200, type: "application/json",
            body: #"""
                {
                 "cluster_statuses": [
                  {
                   "name": "up",
                   "host_statuses": [
                    {
                     "address": {
                      "socket_address": {
                       "address": "127.0.0.1",
                       "port_value": UPSTREAM
                      }
                     },
                     "stats": [
                      {
                       "name": "cx_connect_fail"
                      },
                      {
                       "value": "1",
                       "name": "cx_total"
                      },
                      {
                       "name": "rq_error"
                      },
                      {
                       "value": "3",
                       "name": "rq_success"
                      },
                      {
                       "name": "rq_timeout"
                      },
                      {
                       "value": "3",
                       "name": "rq_total"
                      },
                      {
                       "type": "GAUGE",
                       "value": "1",
                       "name": "cx_active"
                      },
                      {
                       "type": "GAUGE",
                       "name": "rq_active"
                      },
                      {
                       "type": "GAUGE",
                       "name": "rq_pending_active"
                      }
                     ],
                     "health_status": {
                      "eds_health_status": "HEALTHY"
                     },
                     "weight": 3,
                     "locality": {
                      "region": "r1",
                      "zone": "z1",
                      "sub_zone": "s1"
                     }
                    },
                    {
                     "address": {
                      "socket_address": {
                       "address": "127.0.0.1",
                       "port_value": REFUSED
                      }
                     },
                     "stats": [
                      {
                       "name": "cx_connect_fail"
                      },
                      {
                       "name": "cx_total"
                      },
                      {
                       "name": "rq_error"
                      },
                      {
                       "name": "rq_success"
                      },
                      {
                       "name": "rq_timeout"
                      },
                      {
                       "name": "rq_total"
                      },
                      {
                       "type": "GAUGE",
                       "name": "cx_active"
                      },
                      {
                       "type": "GAUGE",
                       "name": "rq_active"
                      },
                      {
                       "type": "GAUGE",
                       "name": "rq_pending_active"
                      }
                     ],
                     "health_status": {
                      "eds_health_status": "UNHEALTHY"
                     },
                     "weight": 1,
                     "hostname": "hh",
                     "locality": {
                      "region": "r1",
                      "zone": "z1",
                      "sub_zone": "s1"
                     }
                    }
                   ],
                   "circuit_breakers": {
                    "thresholds": [
                     {
                      "max_connections": 1024,
                      "max_pending_requests": 1024,
                      "max_requests": 1024,
                      "max_retries": 3
                     },
                     {
                      "priority": "HIGH",
                      "max_connections": 1024,
                      "max_pending_requests": 1024,
                      "max_requests": 1024,
                      "max_retries": 3
                     }
                    ]
                   },
                   "observability_name": "up"
                  }
                 ]
                }

                """#),
        AdminSample(
            method: "GET", target: "/clusters?filter=limited", status: 200,
            body: #"""
                limited::observability_name::limited
                limited::default_priority::max_connections::7
                limited::default_priority::max_pending_requests::1024
                limited::default_priority::max_requests::1024
                limited::default_priority::max_retries::3
                limited::high_priority::max_connections::1024
                limited::high_priority::max_pending_requests::1024
                limited::high_priority::max_requests::1024
                limited::high_priority::max_retries::3
                limited::added_via_api::false
                limited::127.0.0.1:REFUSED::cx_active::0
                limited::127.0.0.1:REFUSED::cx_connect_fail::0
                limited::127.0.0.1:REFUSED::cx_total::0
                limited::127.0.0.1:REFUSED::rq_active::0
                limited::127.0.0.1:REFUSED::rq_error::0
                limited::127.0.0.1:REFUSED::rq_pending_active::0
                limited::127.0.0.1:REFUSED::rq_success::0
                limited::127.0.0.1:REFUSED::rq_timeout::0
                limited::127.0.0.1:REFUSED::rq_total::0
                limited::127.0.0.1:REFUSED::hostname::
                limited::127.0.0.1:REFUSED::health_flags::healthy
                limited::127.0.0.1:REFUSED::weight::1
                limited::127.0.0.1:REFUSED::region::
                limited::127.0.0.1:REFUSED::zone::
                limited::127.0.0.1:REFUSED::sub_zone::
                limited::127.0.0.1:REFUSED::canary::false
                limited::127.0.0.1:REFUSED::priority::0
                limited::127.0.0.1:REFUSED::success_rate::-1
                limited::127.0.0.1:REFUSED::local_origin_success_rate::-1

                """#),
        AdminSample(
            method: "GET", target: "/clusters?filter=*", status: 400,
            body: #"""
                Invalid re2 regex
                """#),
        AdminSample(
            method: "GET", target: "/certs", status: 200, type: "application/json",
            body: #"""
                {
                 "certificates": []
                }

                """#),
        AdminSample(
            method: "GET", target: "/hot_restart_version", status: 200,
            body: #"""
                disabled
                """#),
        AdminSample(
            method: "GET", target: "/init_dump", status: 200, type: "application/json",
            body: #"""
                {}

                """#),
        AdminSample(
            method: "GET", target: "/contention", status: 200,
            body: #"""
                Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.
                """#),
        AdminSample(
            method: "POST", target: "/runtime_modify", status: 400,
            body: #"""
                usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN
                       or send the parameters as form values
                use an empty value to remove a previously added override
                """#),
        AdminSample(
            method: "POST", target: "/logging", status: 200,
            body: #"""
                active loggers:
                  a2a: info
                  admin: info
                  ai_protocol_manager: info
                  alternate_protocols_cache: info
                  aws: info
                  assert: info
                  backtrace: info
                  basic_auth: info
                  cache_filter: info
                  client: info
                  config: info
                  connection: info
                  conn_handler: info
                  compression: info
                  credential_injector: info
                  decompression: info
                  dns: info
                  dubbo: info
                  envoy_bug: info
                  ext_authz: info
                  ext_proc: info
                  rocketmq: info
                  file: info
                  filter: info
                  forward_proxy: info
                  geolocation: info
                  grpc: info
                  happy_eyeballs: info
                  hc: info
                  health_checker: info
                  http: info
                  http2: info
                  hystrix: info
                  init: info
                  io: info
                  jwt: info
                  json_rpc: info
                  kafka: info
                  key_value_store: info
                  lua: info
                  local_rate_limit: info
                  main: info
                  matcher: info
                  mcp: info
                  misc: info
                  mongo: info
                  multi_connection: info
                  notification: info
                  oauth2: info
                  quic: info
                  quic_stream: info
                  pool: info
                  rate_limit_quota: info
                  rbac: info
                  rds: info
                  redis: info
                  router: info
                  runtime: info
                  stats: info
                  secret: info
                  sse: info
                  tap: info
                  testing: info
                  thrift: info
                  tracing: info
                  upstream: info
                  udp: info
                  wasm: info
                  websocket: info
                  golang: info
                  stats_sinks: info
                  dynamic_modules: info
                  ip_tagging: info


                """#),
        AdminSample(
            method: "POST", target: "/logging", form: "level=blah", status: 400,
            body: #"""
                error: unknown logger level

                usage: /logging?<name>=<level> (change single level)
                usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
                usage: /logging?level=<level> (change all levels)
                usage: /logging?group=<group_name>:<level> (change group of loggers)
                levels: trace debug info warning error critical off 
                active loggers:
                  a2a: info
                  admin: info
                  ai_protocol_manager: info
                  alternate_protocols_cache: info
                  aws: info
                  assert: info
                  backtrace: info
                  basic_auth: info
                  cache_filter: info
                  client: info
                  config: info
                  connection: info
                  conn_handler: info
                  compression: info
                  credential_injector: info
                  decompression: info
                  dns: info
                  dubbo: info
                  envoy_bug: info
                  ext_authz: info
                  ext_proc: info
                  rocketmq: info
                  file: info
                  filter: info
                  forward_proxy: info
                  geolocation: info
                  grpc: info
                  happy_eyeballs: info
                  hc: info
                  health_checker: info
                  http: info
                  http2: info
                  hystrix: info
                  init: info
                  io: info
                  jwt: info
                  json_rpc: info
                  kafka: info
                  key_value_store: info
                  lua: info
                  local_rate_limit: info
                  main: info
                  matcher: info
                  mcp: info
                  misc: info
                  mongo: info
                  multi_connection: info
                  notification: info
                  oauth2: info
                  quic: info
                  quic_stream: info
                  pool: info
                  rate_limit_quota: info
                  rbac: info
                  rds: info
                  redis: info
                  router: info
                  runtime: info
                  stats: info
                  secret: info
                  sse: info
                  tap: info
                  testing: info
                  thrift: info
                  tracing: info
                  upstream: info
                  udp: info
                  wasm: info
                  websocket: info
                  golang: info
                  stats_sinks: info
                  dynamic_modules: info
                  ip_tagging: info


                """#),
        AdminSample(
            method: "GET", target: "/stats?filter=*", status: 400,
            body: #"""
                Invalid re2 regex: no argument for repetition operator: *
                """#),
        AdminSample(
            method: "GET", target: "/stats?format=blah", status: 400,
            body: #"""
                usage: /stats?format=(html|active-html|json|prometheus|text)


                """#),
        AdminSample(
            method: "GET", target: "/stats?type=Foo", status: 400,
            body: #"""
                invalid &type= param
                """#),
        AdminSample(
            method: "GET", target: "/stats?histogram_buckets=x", status: 400,
            body: #"""
                usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)

                """#),
        AdminSample(
            method: "GET", target: "/stats?filter=^(cluster_manager|listener_manager)", status: 200,
            body: #"""
                cluster_manager.active_clusters: 3
                cluster_manager.cluster_added: 3
                cluster_manager.cluster_modified: 0
                cluster_manager.cluster_removed: 0
                cluster_manager.cluster_updated: 0
                cluster_manager.cluster_updated_via_merge: 0
                cluster_manager.update_merge_cancelled: 0
                cluster_manager.update_out_of_merge_window: 0
                cluster_manager.warming_clusters: 0
                listener_manager.listener_added: 2
                listener_manager.listener_create_failure: 0
                listener_manager.listener_create_success: 2
                listener_manager.listener_in_place_updated: 0
                listener_manager.listener_modified: 0
                listener_manager.listener_removed: 0
                listener_manager.listener_stopped: 0
                listener_manager.total_filter_chains_draining: 0
                listener_manager.total_listeners_active: 2
                listener_manager.total_listeners_draining: 0
                listener_manager.total_listeners_warming: 0
                listener_manager.workers_pinned: 0
                listener_manager.workers_started: 1

                """#),
        AdminSample(
            method: "GET", target: "/stats?filter=server.live&format=json", status: 200, type: "application/json",
            body: #"""
                {"stats":[{"name":"server.live","value":1}]}
                """#),
        AdminSample(
            method: "GET", target: "/stats/prometheus?filter=^cluster.up.upstream_rq_(200|2xx|total|completed)$", status: 200,
            body: #"""
                # TYPE envoy_cluster_upstream_rq counter
                envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="up"} 3
                # TYPE envoy_cluster_upstream_rq_completed counter
                envoy_cluster_upstream_rq_completed{envoy_cluster_name="up"} 3
                # TYPE envoy_cluster_upstream_rq_total counter
                envoy_cluster_upstream_rq_total{envoy_cluster_name="up"} 3
                # TYPE envoy_cluster_upstream_rq_xx counter
                envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="up"} 3

                """#),
        AdminSample(
            method: "GET", target: "/config_dump?resource=static_clusters", status: 200, type: "application/json",
            body: #"""
                {
                 "configs": [
                  {
                   "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster",
                   "cluster": {
                    "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                    "name": "limited",
                    "circuit_breakers": {
                     "thresholds": [
                      {
                       "max_connections": 7
                      }
                     ]
                    },
                    "load_assignment": {
                     "cluster_name": "limited",
                     "endpoints": [
                      {
                       "lb_endpoints": [
                        {
                         "endpoint": {
                          "address": {
                           "socket_address": {
                            "address": "127.0.0.1",
                            "port_value": REFUSED
                           }
                          }
                         }
                        }
                       ]
                      }
                     ]
                    }
                   },
                   "last_updated": "TIME"
                  },
                  {
                   "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster",
                   "cluster": {
                    "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                    "name": "pipec",
                    "alt_stat_name": "other",
                    "load_assignment": {
                     "cluster_name": "pipec",
                     "endpoints": [
                      {
                       "lb_endpoints": [
                        {
                         "endpoint": {
                          "address": {
                           "pipe": {
                            "path": "@nope"
                           }
                          }
                         }
                        }
                       ]
                      }
                     ]
                    }
                   },
                   "last_updated": "TIME"
                  },
                  {
                   "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster",
                   "cluster": {
                    "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                    "name": "up",
                    "connect_timeout": "0.250s",
                    "load_assignment": {
                     "cluster_name": "up",
                     "endpoints": [
                      {
                       "locality": {
                        "region": "r1",
                        "zone": "z1",
                        "sub_zone": "s1"
                       },
                       "lb_endpoints": [
                        {
                         "endpoint": {
                          "address": {
                           "socket_address": {
                            "address": "127.0.0.1",
                            "port_value": UPSTREAM
                           }
                          }
                         },
                         "load_balancing_weight": 3
                        },
                        {
                         "endpoint": {
                          "address": {
                           "socket_address": {
                            "address": "127.0.0.1",
                            "port_value": REFUSED
                           }
                          },
                          "hostname": "hh"
                         },
                         "health_status": "UNHEALTHY"
                        }
                       ]
                      }
                     ]
                    }
                   },
                   "last_updated": "TIME"
                  }
                 ]
                }

                """#),
        AdminSample(
            method: "GET", target: "/config_dump?resource=static_listeners&mask=listener.name,last_updated", status: 200, type: "application/json",
            body: #"""
                {
                 "configs": [
                  {
                   "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump.StaticListener",
                   "listener": {
                    "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
                    "name": "http_l"
                   },
                   "last_updated": "TIME"
                  },
                  {
                   "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump.StaticListener",
                   "listener": {
                    "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
                    "name": "tcp_l"
                   },
                   "last_updated": "TIME"
                  }
                 ]
                }

                """#),
        AdminSample(
            method: "GET", target: "/config_dump?resource=static_route_configs", status: 200, type: "application/json",
            body: #"""
                {
                 "configs": [
                  {
                   "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump.StaticRouteConfig",
                   "route_config": {
                    "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
                    "name": "local",
                    "virtual_hosts": [
                     {
                      "name": "v",
                      "domains": [
                       "*"
                      ],
                      "routes": [
                       {
                        "match": {
                         "prefix": "/"
                        },
                        "route": {
                         "cluster": "up"
                        }
                       }
                      ]
                     }
                    ]
                   },
                   "last_updated": "TIME"
                  }
                 ]
                }

                """#),
        AdminSample(
            method: "GET", target: "/config_dump?mask=bootstrap.node.id", status: 200, type: "application/json",
            body: #"""
                {
                 "configs": [
                  {
                   "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
                   "bootstrap": {
                    "node": {
                     "id": "n1"
                    }
                   }
                  }
                 ]
                }

                """#),
        AdminSample(
            method: "GET", target: "/config_dump?resource=nope", status: 404, type: "text/plain",
            body: #"""
                nope not found in config dump
                """#),
        AdminSample(
            method: "GET", target: "/config_dump?mask=bogus", status: 400, type: "text/plain",
            body: #"""
                FieldMask bogus could not be successfully applied to any configs.
                """#),
        AdminSample(
            method: "POST", target: "/cpuprofiler?enable=y&foo=1", status: 400,
            body: #"""
                ?enable=<y|n>

                """#),
        AdminSample(
            method: "POST", target: "/allocprofiler?enable=n", status: 400,
            body: #"""
                Allocation profiler is not started
                """#),
        AdminSample(
            method: "POST", target: "/stats/recentlookups/clear", status: 200,
            body: #"""
                OK

                """#),
        AdminSample(
            method: "GET", target: "/help", status: 200,
            body: #"""
                admin commands are:
                  /: Admin home page
                  /allocprofiler (POST): enable/disable the allocation profiler (if supported)
                      enable: enable/disable the allocation profiler; One of (y, n)
                  /certs: print certs on machine
                  /clusters: upstream cluster status
                      filter: Regular expression (Google re2) for filtering clusters by name
                  /config_dump: dump current Envoy configs
                      resource: The resource to dump
                      mask: The mask to apply. When both resource and mask are specified, the mask is applied to every element in the desired repeated field so that only a subset of fields are returned. The mask is parsed as a Protobuf::FieldMask
                      name_regex: Dump only the currently loaded configurations whose names match the specified regex. Can be used with both resource and mask query parameters.
                      include_eds: Dump currently loaded configuration including EDS. See the response definition for more information
                  /contention: dump current Envoy mutex contention stats (if enabled)
                  /cpuprofiler (POST): enable/disable the CPU profiler
                      enable: enables the CPU profiler; One of (y, n)
                  /drain_listeners (POST): drain listeners
                      graceful: When draining listeners, enter a graceful drain period prior to closing listeners. This behaviour and duration is configurable via server options or CLI
                      skip_exit: When draining listeners, drain the connections but never stop the listeners. The graceful parameter has no effect when this is set, since the drain period only delays stopping the listeners
                      inboundonly: Drains all inbound listeners. traffic_direction field in envoy_v3_api_msg_config.listener.v3.Listener is used to determine whether a listener is inbound or outbound.
                  /healthcheck/fail (POST): cause the server to fail health checks
                  /healthcheck/ok (POST): cause the server to pass health checks
                  /heap_dump: dump current Envoy heap (if supported)
                  /heapprofiler (POST): enable/disable the heap profiler
                      enable: enable/disable the heap profiler; One of (y, n)
                  /help: print out list of admin commands
                  /hot_restart_version: print the hot restart compatibility version
                  /init_dump: dump current Envoy init manager information (experimental)
                      mask: The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. For example, get the unready targets of all listeners with /init_dump?mask=listener`
                  /listeners: print listener info
                      format: File format to use; One of (text, json)
                  /logging (POST): query/change logging levels
                      paths: Change multiple logging levels by setting to <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>. If fine grain logging is enabled, use __FILE__ or a glob experision as the logger name. For example, source/common*:warning
                      group: Change given logger group to desired level, set to <logger_group_name>:<desired_level>. logger_group_name must be a logger name.
                      level: desired logging level, this will change all loggers's level; One of (, trace, debug, info, warning, error, critical, off)
                  /memory: print current allocation/heap usage
                  /memory/tcmalloc: print TCMalloc stats
                  /peak_heap_dump: dump peak Envoy heap (if supported)
                  /quitquitquit (POST): exit the server
                  /ready: print server state, return 200 if LIVE, otherwise return 503
                  /reopen_logs (POST): reopen access logs
                  /reset_counters (POST): reset all counters to zero
                  /runtime: print runtime values
                  /runtime_modify (POST): Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...
                  /server_info: print server version/status information
                  /stats: print server stats
                      usedonly: Only include stats that have been written by system since restart
                      filter: Regular expression (Google re2) for filtering stats
                      invert_filter: Invert the filter regex
                      format: Format to use; One of (html, active-html, text, json)
                      type: Stat types to include.; One of (All, Counters, Histograms, Gauges, TextReadouts)
                      histogram_buckets: Histogram bucket display mode; One of (cumulative, disjoint, detailed, summary)
                  /stats/prometheus: print server stats in prometheus format
                      usedonly: Only include stats that have been written by system since restart
                      text_readouts: Render text_readouts as new gaugues with value 0 (increases Prometheus data size)
                      filter: Regular expression (Google re2) for filtering stats
                      invert_filter: Invert the filter regex
                      histogram_buckets: Histogram bucket display mode; One of (cumulative, summary)
                  /stats/recentlookups: Show recent stat-name lookups
                  /stats/recentlookups/clear (POST): clear list of stat-name lookups and counter
                  /stats/recentlookups/disable (POST): disable recording of reset stat-name lookup names
                  /stats/recentlookups/enable (POST): enable recording of reset stat-name lookup names

                """#),
    ]
}
