# The checks that demarc is compared with OPA on, over a plan as `terraform show -json` has it. Each means what the check of
# that name in the catalog does, for what a plan of generated resources holds. data.demarc.failed counts the resources
# that fail.
package demarc

import rego.v1

created contains r if {
	some r in input.resource_changes
	r.mode == "managed"
	not "delete" in r.change.actions
}

of(type) := [r | some r in created; r.type == type]

open_to_world(rule) if "0.0.0.0/0" in rule.cidr_blocks

open_to_world(rule) if "::/0" in rule.ipv6_cidr_blocks

any_protocol(rule) if rule.protocol == "-1"

tcp(rule) if rule.protocol in {"tcp", "6"}

reaches(rule, _) if any_protocol(rule)

reaches(rule, port) if {
	tcp(rule)
	rule.from_port <= port
	rule.to_port >= port
}

open_port(group, port) if {
	some rule in group.change.after.ingress
	reaches(rule, port)
	open_to_world(rule)
}

databases := {1433, 1521, 3306, 5432, 6379, 9200, 11211, 27017}

open_database(group) if {
	some port in databases
	open_port(group, port)
}

every_port(rule) if any_protocol(rule)

every_port(rule) if {
	tcp(rule)
	rule.from_port == 0
	rule.to_port == 65535
}

open_egress(group) if {
	some rule in group.change.after.egress
	every_port(rule)
	open_to_world(rule)
}

public_trust(role) if {
	some statement in json.unmarshal(role.change.after.assume_role_policy).Statement
	statement.Effect == "Allow"
	not statement.Condition
	statement.Principal.AWS == "*"
}

no_imdsv2(machine) if {
	options := machine.change.after.metadata_options[0]
	options.http_tokens != "required"
	options.http_endpoint != "disabled"
}

engine_with_iam(db) if contains(db.change.after.engine, "mysql")

engine_with_iam(db) if contains(db.change.after.engine, "postgres")

engine_with_iam(db) if contains(db.change.after.engine, "mariadb")

failed["aws/security-group/no-open-ssh"] := count([g | some g in of("aws_security_group"); open_port(g, 22)])

failed["aws/security-group/no-open-rdp"] := count([g | some g in of("aws_security_group"); open_port(g, 3389)])

failed["aws/security-group/no-open-databases"] := count([g | some g in of("aws_security_group"); open_database(g)])

failed["aws/security-group/egress-limited"] := count([g | some g in of("aws_security_group"); open_egress(g)])

failed["aws/kms/key-rotation"] := count([k | some k in of("aws_kms_key"); not k.change.after.enable_key_rotation])

failed["aws/ec2/imdsv2"] := count([m | some m in of("aws_instance"); no_imdsv2(m)])

failed["aws/ec2/no-public-address"] := count([m | some m in of("aws_instance"); m.change.after.associate_public_ip_address])

failed["aws/ec2/detailed-monitoring"] := count([m | some m in of("aws_instance"); not m.change.after.monitoring])

failed["aws/ebs/encrypted"] := count([v | some v in of("aws_ebs_volume"); not v.change.after.encrypted])

failed["aws/rds/public-access"] := count([d | some d in of("aws_db_instance"); d.change.after.publicly_accessible])

failed["aws/rds/encrypted"] := count([d |
	some d in of("aws_db_instance")
	not startswith(d.change.after.engine, "custom-")
	not d.change.after.storage_encrypted
])

failed["aws/rds/backups"] := count([d | some d in of("aws_db_instance"); d.change.after.backup_retention_period < 7])

failed["aws/rds/iam-authentication"] := count([d |
	some d in of("aws_db_instance")
	engine_with_iam(d)
	not d.change.after.iam_database_authentication_enabled
])

failed["aws/lambda/tracing"] := count([f | some f in of("aws_lambda_function"); f.change.after.tracing_config[0].mode != "Active"])

failed["aws/dynamodb/point-in-time-recovery"] := count([t | some t in of("aws_dynamodb_table"); not t.change.after.point_in_time_recovery[0].enabled])

failed["aws/dynamodb/deletion-protection"] := count([t | some t in of("aws_dynamodb_table"); not t.change.after.deletion_protection_enabled])

failed["aws/iam-role/trust-not-public"] := count([r | some r in of("aws_iam_role"); public_trust(r)])
