"""CPH's error messages and HTTP statuses, by code."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NO_PERMISSION: Final = "CPS.0001"
INVALID_PHONE: Final = "CPS.0004"
NO_PHONE: Final = "CPS.0005"
NO_JOB: Final = "CPS.0011"
NO_SERVER: Final = "CPS.0015"
NO_ACCESS_INFO: Final = "CPS.0018"
NO_JOBS: Final = "CPS.0050"
PHONE_FROZEN: Final = "CPS.0053"
TOO_MANY_SERVERS: Final = "CPS.0096"
SERVER_NOT_READY: Final = "CPS.0099"
NO_FILE: Final = "CPS.0104"
NO_BANDWIDTH: Final = "CPS.0115"
NO_ENCODING_SERVER: Final = "CPS.0123"
NO_SHARED_STORAGE: Final = "CPS.0137"
PHONE_NOT_RUNNING: Final = "CPS.0141"
SERVER_NOT_RESTARTABLE: Final = "CPS.0158"
NO_SUCH_SERVER: Final = "CPS.0159"
BANDWIDTH_NOT_SHARED: Final = "CPS.0160"
UNKNOWN_PROPERTY: Final = "CPS.0163"
INVALID_PROPERTY: Final = "CPS.0164"
NEITHER_STOPPED_NOR_RUNNING: Final = "CPS.0165"
NO_IMAGE: Final = "CPS.0166"
UNREGISTERED_OBJECT: Final = "CPS.0172"
INVALID_TIME: Final = "CPS.0174"
COMMAND_FAILED: Final = "CPS.0191"
QUOTA_EXCEEDED: Final = "CPS.0196"
ENCODING_SERVER_NOT_RUNNING: Final = "CPS.0208"
IMAGE_CREATING: Final = "CPS.0220"
INVALID_IMAGE_VERSION: Final = "CPS.0254"
INVALID_ADDRESS: Final = "CPS.0238"
NO_SERVER_MODEL: Final = "CPS.0246"
UNSUPPORTED_SERVER_MODEL: Final = "CPS.0247"
SAME_MODEL: Final = "CPS.0250"
SEVERAL_ADDRESSES: Final = "CPS.0252"
BUY_BY_V2: Final = "CPS.0256"
UNSUPPORTED_PHONE_MODEL: Final = "CPS.0257"
NO_RESOURCE: Final = "CPS.0302"
TOO_MANY_TAGS: Final = "CPS.0307"
NOT_PAY_PER_USE: Final = "CPS.0324"
TOO_MANY_CHANGES: Final = "CPS.0326"
NO_OWN_DISK: Final = "CPS.0338"
INVALID_VOLUME_SIZE: Final = "CPS.0347"
TOO_MANY_EXPANSIONS: Final = "CPS.0348"
EXPANSION_RUNNING: Final = "CPS.0349"
SERVER_NOT_CHANGEABLE: Final = "CPS.1102"
NOT_A_SUBSCRIPTION: Final = "CPS.1103"

# From the error table (CPH 8.2, 2025-02-08), except for 0191: it is from the page of a command (5.7.5), as
# the table uses the code for subnets.
CPS: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        NO_PERMISSION: (403, "No permission to request resources."),
        "CPS.0002": (400, "Parameter: offset or limit is invalid."),
        INVALID_PHONE: (400, "Invalid phone id."),
        NO_PHONE: (404, "Phone is not found."),
        "CPS.0010": (400, "Parameter: status is invalid."),
        NO_JOB: (404, "Job not found."),
        NO_SERVER: (404, "server_id not found."),
        "CPS.0016": (400, "server_id is invalid."),
        NO_ACCESS_INFO: (404, "Access info not found."),
        "CPS.0024": (400, "Parameter: count is invalid."),
        "CPS.0025": (400, "Parameter: phone_name is invalid."),
        "CPS.0028": (400, "Parameter: phone_model_name is invalid."),
        "CPS.0030": (400, "Parameter: image_id is invalid."),
        "CPS.0031": (400, "Parameter: band_width is invalid."),
        "CPS.0033": (400, "Parameter: band_width_id is invalid."),
        "CPS.0036": (400, "Parameter: band_width_size is invalid."),
        "CPS.0037": (400, "Parameter: ports is invalid."),
        "CPS.0038": (400, "Parameter: port name is invalid."),
        "CPS.0039": (400, "Parameter: port name is conflicted."),
        "CPS.0040": (400, "Parameter: listen_port is invalid."),
        "CPS.0041": (400, "Parameter: listen_port is conflicted."),
        "CPS.0047": (400, "Parameter: action is invalid."),
        "CPS.0048": (400, "Parameter: job_id is empty."),
        "CPS.0049": (400, "Parameter: request_id is empty."),
        NO_JOBS: (404, "Jobs related to this requestId is not found."),
        PHONE_FROZEN: (400, "No permission to request resources. Phone is frozen."),
        "CPS.0055": (400, "Parameter: extend_param is invalid."),
        "CPS.0058": (400, "Parameter: period_num is invalid."),
        "CPS.0068": (400, "Parameter: keypair_name is empty."),
        "CPS.0077": (400, "Parameter: phones list is invalid."),
        "CPS.0078": (400, "Parameter: Property is invalid."),
        "CPS.0080": (400, "Parameter: phone_ids is invalid."),
        "CPS.0081": (400, "Parameter: phone_ids and phones are both empty."),
        "CPS.0087": (400, "Parameter: server_name is invalid."),
        "CPS.0089": (400, "Parameter: server_model_name is invalid."),
        "CPS.0094": (400, "Parameter: server_ids is invalid."),
        TOO_MANY_SERVERS: (400, "The number of servers exceeds the limit."),
        "CPS.0098": (400, "Parameter: no available keypair_name or server not ready."),
        SERVER_NOT_READY: (400, "Parameter: server is not ready."),
        NO_FILE: (404, "File doesn't exists in OBS."),
        NO_BANDWIDTH: (404, "Band width not found."),
        "CPS.0116": (400, "Parameter: type is invalid."),
        "CPS.0117": (400, "Parameter: command is invalid."),
        "CPS.0118": (400, "Parameter: content is invalid."),
        "CPS.0122": (400, "Parameter: Encode server id list is invalid."),
        NO_ENCODING_SERVER: (400, "Encode server not found."),
        "CPS.0134": (400, "Parameter: bucket_name is invalid."),
        "CPS.0135": (400, "Parameter: object_path is invalid."),
        NO_SHARED_STORAGE: (400, "Server does not support push share files."),
        PHONE_NOT_RUNNING: (400, "Phone is not in running status."),
        "CPS.0144": (400, "Parameter: product_type is invalid."),
        "CPS.0147": (400, "Server does not support push share apps."),
        "CPS.0148": (400, "Parameter: pre_install_app is invalid."),
        "CPS.0155": (400, "The file_paths is invalid."),
        SERVER_NOT_RESTARTABLE: (400, "The server is not available for being restarted."),
        NO_SUCH_SERVER: (400, "Server not found."),
        BANDWIDTH_NOT_SHARED: (400, "Only the size of shared bandwidth can be changed."),
        "CPS.0161": (400, "Parameter: the number of request IDs has exceeded the limit."),
        UNKNOWN_PROPERTY: (400, "Parameter: property {0} not supported."),
        INVALID_PROPERTY: (400, "Parameter: Invalid property {0}."),
        NEITHER_STOPPED_NOR_RUNNING: (400, "The phone must be in stopped or running status."),
        NO_IMAGE: (400, "Phone image not found."),
        "CPS.0167": (400, "Parameter: storage_infos is invalid."),
        "CPS.0168": (400, "Parameter: include_files is invalid."),
        "CPS.0169": (400, "Parameter: exclude_files is invalid."),
        "CPS.0170": (400, "Parameter: storage_infos exceeds the limit."),
        "CPS.0171": (400, "Parameter: restore_infos is invalid."),
        UNREGISTERED_OBJECT: (400, "Parameter: object_path is unregistered."),
        "CPS.0173": (400, "Parameter: package_name is invalid."),
        INVALID_TIME: (400, "Parameter: time is invalid."),
        "CPS.0190": (400, "The number of phones exceeds the limit."),
        COMMAND_FAILED: (400, "Run command failed."),
        QUOTA_EXCEEDED: (400, "Quota is insufficient."),
        "CPS.0199": (400, "The path is invalid."),
        "CPS.0207": (400, "Parameter: traffic type is invalid."),
        ENCODING_SERVER_NOT_RUNNING: (
            400,
            "Encode server is not in running status, not allowed to request resources.",
        ),
        "CPS.0209": (400, "Parameter: the number of requested phone ids has exceeded the limit."),
        "CPS.0213": (400, "Phone is creating."),
        IMAGE_CREATING: (400, "Phone image status is not active."),
        "CPS.0223": (400, "Parameter: tenant_vpc_id is invalid."),
        "CPS.0226": (400, "Parameter: nics is invalid."),
        "CPS.0231": (400, "Source phone and target phone can not be the same."),
        "CPS.0232": (400, "Parameter: source_phone_id is invalid."),
        "CPS.0233": (400, "Parameter: target_phone_id is invalid."),
        "CPS.0234": (400, "Parameter: migrate_infos is invalid."),
        "CPS.0235": (400, "Parameter: is_migrate_property is invalid."),
        INVALID_ADDRESS: (400, "Parameter: public_ip is invalid."),
        "CPS.0240": (400, "Parameter: network_version is invalid."),
        NO_SERVER_MODEL: (400, "Server model not found."),
        UNSUPPORTED_SERVER_MODEL: (400, "Server model is not supported."),
        SAME_MODEL: (
            400,
            "The server specifications cannot be the same as the specifications to be modified.",
        ),
        INVALID_IMAGE_VERSION: (400, "Image version is invalid."),
        "CPS.0251": (400, "Existing EIPs cannot be assigned to servers created in batches."),
        SEVERAL_ADDRESSES: (
            400,
            (
                "EIPs of cloud phones whose phone_model_name has more than one EIPs cannot be configured "
                "from existing EIPs."
            ),
        ),
        BUY_BY_V2: (
            400,
            (
                "Servers you want can only be requested by using the POST "
                "/v2/{project_id}/cloud-phone/servers URI."
            ),
        ),
        UNSUPPORTED_PHONE_MODEL: (400, "Phone model is not supported."),
        "CPS.0264": (400, "Parameter: request_id is invalid."),
        "CPS.0300": (400, "Parameter: Invalid resource type."),
        "CPS.0301": (400, "Parameter: Invalid resource id."),
        NO_RESOURCE: (404, "The resource_id is not found."),
        "CPS.0303": (400, "Parameter: Invalid tags."),
        "CPS.0304": (400, "Parameter: Invalid tag key."),
        "CPS.0305": (400, "Parameter: Invalid tag value."),
        "CPS.0306": (400, "Parameter: Key start with _sys_ is reserved to system user."),
        TOO_MANY_TAGS: (400, "Parameter: The number of created tags has reached the limit."),
        "CPS.0309": (400, "Parameter: The number of tag keys has reached the limit."),
        "CPS.0310": (400, "Parameter: The number of tag values has reached the limit."),
        "CPS.0311": (400, "Parameter: Invalid matches."),
        "CPS.0313": (400, "Parameter: Invalid match key."),
        "CPS.0314": (400, "Parameter: Invalid match value."),
        "CPS.0315": (400, "Parameter: Invalid tag values."),
        "CPS.0316": (400, "Parameter: enterprise_project_id is invalid."),
        NOT_PAY_PER_USE: (400, "Could not get Pay-per-Use server infos."),
        "CPS.0325": (400, "The number of servers to be deleted is more than {0}."),
        TOO_MANY_CHANGES: (400, "Change server tasks exceed {0}."),
        NO_OWN_DISK: (400, "Phone does not support expand data volume."),
        INVALID_VOLUME_SIZE: (400, "New volume size is invalid."),
        TOO_MANY_EXPANSIONS: (400, "Unfinished expand volume job number should not over 500 totally."),
        EXPANSION_RUNNING: (400, "Exclusive task is exist."),
        "CPS.0356": (400, "Phone number for expand volume should not over 150 in once."),
        "CPS.0358": (400, "Parameter: client_type is invalid."),
        "CPS.0359": (400, "The size of parameter [phone_ids] cannot over max limit."),
        SERVER_NOT_CHANGEABLE: (400, "Server status is not allow to change server."),
        NOT_A_SUBSCRIPTION: (400, "Only succeed period order support change server."),
    }
)
